import { Anchor, Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { api, data } from "../api/client";
import type { PlanGroup } from "../api/types";
import { useMay } from "../session/session";
import { Empty, faultOf, Head, Moment, None, Problem, Waiting } from "../ui/parts";
import { Pages, Rows, type Column } from "../ui/Rows";
import { refresh } from "./plan";

const route = getRouteApi("/shell/plans/groups");

/** Makes a group, or changes one, of which only what is another than before is sent. */
export function GroupForm({ group, close }: { group?: PlanGroup; close: () => void }) {
  const navigate = useNavigate();
  const [before] = useState({ name: group?.name ?? "", description: group?.description ?? "", isPublic: group?.isPublic ?? false });
  const [values, setValues] = useState(before);
  const run = useMutation({
    mutationFn: () => {
      if (!group) return data(api.POST("/plan-groups", { body: values }));
      const changed = Object.entries(values).filter(([name, value]) => value !== before[name as keyof typeof before]);
      return data(api.PATCH("/plan-groups/{id}", { params: { path: { id: group.id } }, body: Object.fromEntries(changed) as Partial<typeof before> }));
    },
    onSuccess: async ({ id }) => {
      if (group) close();
      else await navigate({ to: "/plans/groups/$id", params: { id } });
      await refresh();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run.mutate();
  };
  const text = (name: "name" | "description") => ({
    value: values[name],
    error: faultOf(run.error, name),
    onChange: (event: { currentTarget: { value: string } }) => setValues({ ...values, [name]: event.currentTarget.value }),
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <TextInput label="Name" required data-autofocus {...text("name")} />
        <TextInput label="Description" {...text("description")} />
        <Checkbox label="Public" checked={values.isPublic} onChange={(event) => setValues({ ...values, isPublic: event.currentTarget.checked })} />
        {run.error && !faultOf(run.error, "name") && !faultOf(run.error, "description") && <Problem error={run.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={run.isPending}>
            {group ? "Save" : "Create"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

const COLUMNS: Column<PlanGroup>[] = [
  {
    key: "name",
    title: "Name",
    show: (row) => (
      <Link to="/plans/groups/$id" params={{ id: row.id }}>
        {row.name}
      </Link>
    ),
  },
  { key: "description", title: "Description", show: (row) => row.description ?? <None />, wide: true },
  { key: "public", title: "Public", show: (row) => (row.isPublic ? "yes" : "no") },
  { key: "made", title: "Made", show: (row) => <Moment at={row.createdAt} />, wide: true },
];

export function GroupsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const query = { limit: 50, cursor: search.cursor };
  const page = useQuery({ queryKey: ["plan-groups", query], queryFn: ({ signal }) => data(api.GET("/plan-groups", { params: { query }, signal })) });
  const open = (on: boolean) => void navigate({ search: (before) => ({ ...before, new: on ? "yes" : undefined }) });
  const rows = page.data?.data ?? [];
  return (
    <>
      <Anchor component={Link} to="/plans" size="sm">
        Plans
      </Anchor>
      <Head title="Plan groups">
        {may.write && (
          <Button data-new onClick={() => open(true)}>
            New group
          </Button>
        )}
      </Head>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={6} />}
      {page.data && rows.length === 0 && (
        <Empty
          title="No plan groups yet"
          curl={`curl ORIGIN/api/v1/plan-groups -H "x-api-key: $KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"name":"Self-service"}'`}
        >
          <Text size="sm">A subscription changes from one plan to another within a group, and its order says which way is up.</Text>
        </Empty>
      )}
      {rows.length > 0 && <Rows caption="Plan groups" rows={rows} columns={COLUMNS} />}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: { cursor } })} />
      {may.write && (
        <Modal opened={search.new === "yes"} onClose={() => open(false)} title="New plan group">
          <GroupForm close={() => open(false)} />
        </Modal>
      )}
    </>
  );
}
