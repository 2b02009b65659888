import { Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { api, data } from "../api/client";
import { queries } from "../api/query";
import type { Role, User } from "../api/types";
import { useMay, useSession } from "../session/session";
import { Confirm, Question } from "../ui/Confirm";
import { faultOf, Head, Moment, None, Problem, useOpening, Waiting } from "../ui/parts";
import { Rows, type Column } from "../ui/Rows";
import { Secret } from "../ui/Secret";

const route = getRouteApi("/shell/users");
const refresh = () => queries.invalidateQueries({ queryKey: ["users"] });
const ROLES: Record<Role, string> = { owner: "Owner: everything", admin: "Admin: everything but users", member: "Member: looks only" };
/* The client puts the session's token here. */
const CSRF = { "X-CSRF-Token": "" };
const absolute = (url: string) => new URL(url, location.origin).href;

function RoleField({ row, editable }: { row: User; editable: boolean }) {
  /* An arrow key is enough to choose another one. */
  const [asked, ask] = useState<Role | null>(null);
  if (!editable) return <>{row.role}</>;
  const change = async () => {
    await data(api.PATCH("/users/{id}", { params: { path: { id: row.id }, header: CSRF }, body: { role: asked ?? row.role } }));
    await refresh();
  };
  return (
    <>
      <NativeSelect aria-label={`Role of ${row.email}`} value={asked ?? row.role} onChange={(event) => ask(event.currentTarget.value as Role)}>
        {(Object.keys(ROLES) as Role[]).map((role) => (
          <option key={role} value={role}>
            {role}
          </option>
        ))}
      </NativeSelect>
      <Question opened={asked !== null} close={() => ask(null)} button="Change the role" title={`Change the role of ${row.email}?`} act={change}>
        {asked && `${ROLES[asked]}.`}
      </Question>
    </>
  );
}

function Invite({ opened, close, show }: { opened: boolean; close: () => void; show: (url: string) => void }) {
  const [values, setValues] = useState({ email: "", name: "", role: "member" as Role });
  const run = useMutation({
    mutationFn: () => data(api.POST("/users", { params: { header: CSRF }, body: { email: values.email, role: values.role, ...(values.name && { name: values.name }) } })),
    onSuccess: async ({ url }) => {
      setValues({ email: "", name: "", role: "member" });
      close();
      show(absolute(url));
      await refresh();
    },
  });
  useOpening(opened, run.reset);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run.mutate();
  };
  const named = faultOf(run.error, "email") || faultOf(run.error, "name");
  return (
    <Modal opened={opened} onClose={close} title="Invite somebody">
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput label="E-mail address" type="email" required data-autofocus value={values.email} error={faultOf(run.error, "email")} onChange={(event) => setValues({ ...values, email: event.currentTarget.value })} />
          <TextInput label="Name" value={values.name} error={faultOf(run.error, "name")} onChange={(event) => setValues({ ...values, name: event.currentTarget.value })} />
          <NativeSelect label="Role" value={values.role} data={Object.entries(ROLES).map(([value, label]) => ({ value, label }))} onChange={(event) => setValues({ ...values, role: event.currentTarget.value as Role })} />
          {run.error && !named && <Problem error={run.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={run.isPending}>
              Make a link
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

export function UsersPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const { user } = useSession();
  const [link, setLink] = useState<string | null>(null);
  const page = useQuery({ queryKey: ["users"], queryFn: ({ signal }) => data(api.GET("/users", { signal })) });
  const open = (on: boolean) => void navigate({ search: { new: on ? "yes" : undefined } });
  const columns: Column<User>[] = [
    { key: "email", title: "E-mail address", show: (row) => row.email },
    { key: "name", title: "Name", show: (row) => row.name ?? <None />, wide: true },
    { key: "role", title: "Role", show: (row) => <RoleField row={row} editable={may.manageUsers && row.id !== user.id} /> },
    { key: "since", title: "Since", show: (row) => (row.accepted ? <Moment at={row.createdAt} /> : "invited, not here yet"), wide: true },
    {
      key: "actions",
      title: "Actions",
      show: (row) =>
        may.manageUsers && row.id !== user.id ? (
          <Group gap="xs" wrap="nowrap">
            <Confirm
              button="New password"
              label={`New password for ${row.email}`}
              title="Make a link for a new password?"
              act={async () => setLink(absolute((await data(api.POST("/users/{id}/reset", { params: { path: { id: row.id }, header: CSRF } }))).url))}
            >
              It is good for 2 hours and once; hand it on yourself. A new password ends all sessions of {row.email}.
            </Confirm>
            <Confirm
              button="Remove"
              label={`Remove ${row.email}`}
              title={`Remove ${row.email}?`}
              danger
              act={async () => {
                await data(api.DELETE("/users/{id}", { params: { path: { id: row.id }, header: CSRF } }));
                await refresh();
              }}
            >
              Sessions in this organization end at once. What was done stays in the histories.
            </Confirm>
          </Group>
        ) : (
          row.id === user.id && "you"
        ),
    },
  ];
  return (
    <>
      <Head title="Users">
        {may.manageUsers && (
          <Button data-new onClick={() => open(true)}>
            Invite
          </Button>
        )}
      </Head>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting />}
      {page.data && <Rows caption="Users" rows={page.data.data} columns={columns} />}
      {!may.manageUsers && (
        <Text size="sm" mt="md">
          Owners invite users and change their roles.
        </Text>
      )}
      {may.manageUsers && <Invite opened={search.new === "yes"} close={() => open(false)} show={setLink} />}
      <Secret title="The link" text="Hand it on to the person whom it is for. It works once." secret={link} close={() => setLink(null)} />
    </>
  );
}
