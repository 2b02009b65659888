import { Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { api, data } from "../api/client";
import { queries } from "../api/query";
import type { ApiKeyCreate } from "../api/schema";
import type { ApiKey, Permissions } from "../api/types";
import { useMay, useSession } from "../session/session";
import { Confirm } from "../ui/Confirm";
import { numberOf } from "../ui/number";
import { Empty, faultOf, Head, Moment, Problem, useOpening, Waiting } from "../ui/parts";
import { Pages, Rows, type Column } from "../ui/Rows";
import { Secret } from "../ui/Secret";

const route = getRouteApi("/shell/api-keys");
const refresh = () => queries.invalidateQueries({ queryKey: ["api-keys"] });

type Resource = keyof Permissions;
const RESOURCES: Record<Resource, string> = {
  customer: "Customers",
  plan: "Plans",
  plan_group: "Plan groups",
  subscription: "Subscriptions",
  invoice: "Invoices",
  api_key: "API keys",
  test_clock: "Test clock",
  request_log: "Request log",
};
const ACTIONS = { none: [], read: ["read"], write: ["read", "write"] } as const;
type Action = keyof typeof ACTIONS;

function scopes({ permissions }: ApiKey): string {
  if (!permissions) return "everything";
  const named = Object.entries(permissions).map(([resource, actions]) => `${RESOURCES[resource as Resource] ?? resource}: ${(actions as string[]).join(", ")}`);
  return named.join("; ") || "nothing";
}

function Actions({ row, show }: { row: ApiKey; show: (secret: string) => void }) {
  const path = { params: { path: { id: row.id } } };
  return (
    <Group gap="xs" wrap="nowrap">
      <Confirm
        button="Rotate"
        label={`Rotate ${row.name}`}
        title={`Rotate ${row.name}?`}
        act={async () => {
          const made = await data(api.POST("/api-keys/{id}/rotate", { ...path, body: { graceHours: 24 } }));
          await refresh();
          show(made.apiKey);
        }}
      >
        You get a new key with the same rights. The old one works for 24 hours more.
      </Confirm>
      <Confirm
        button="Revoke"
        label={`Revoke ${row.name}`}
        title={`Revoke ${row.name}?`}
        danger
        act={async () => {
          await data(api.DELETE("/api-keys/{id}", path));
          await refresh();
        }}
      >
        Programs that use it are refused from now on.
      </Confirm>
    </Group>
  );
}

function NewKey({ opened, close, show }: { opened: boolean; close: () => void; show: (secret: string) => void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("365");
  const [restricted, setRestricted] = useState(false);
  const [chosen, setChosen] = useState<Partial<Record<Resource, Action>>>({});
  const run = useMutation({
    mutationFn: () => {
      const some = Object.entries(chosen).filter(([, action]) => action !== "none");
      const permissions = restricted ? Object.fromEntries(some.map(([resource, action]) => [resource, [...ACTIONS[action]]])) : null;
      const body = { name, expiresInDays: numberOf(days), permissions } satisfies { [K in keyof ApiKeyCreate]: unknown };
      // never: the description forbids other names in the permissions, which TypeScript cannot say of an object.
      return data(api.POST("/api-keys", { body: body as never }));
    },
    onSuccess: async (made) => {
      setName("");
      setChosen({});
      close();
      show(made.apiKey);
      await refresh();
    },
  });
  useOpening(opened, run.reset);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run.mutate();
  };
  const named = faultOf(run.error, "name") || faultOf(run.error, "expiresInDays");
  return (
    <Modal opened={opened} onClose={close} title="New API key">
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput label="Name" description="Of the program that will use it." required data-autofocus value={name} error={faultOf(run.error, "name")} onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput label="Good for, in days" inputMode="numeric" value={days} error={faultOf(run.error, "expiresInDays")} onChange={(event) => setDays(event.currentTarget.value)} />
          <NativeSelect label="It may do" value={restricted ? "some" : "all"} onChange={(event) => setRestricted(event.currentTarget.value === "some")}>
            <option value="all">everything in this environment</option>
            <option value="some">what is chosen here</option>
          </NativeSelect>
          {restricted &&
            (Object.keys(RESOURCES) as Resource[]).map((resource) => (
              <NativeSelect key={resource} label={RESOURCES[resource]} value={chosen[resource] ?? "none"} onChange={(event) => setChosen({ ...chosen, [resource]: event.currentTarget.value as Action })}>
                <option value="none">nothing</option>
                <option value="read">read</option>
                <option value="write">read and write</option>
              </NativeSelect>
            ))}
          {run.error && !named && <Problem error={run.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={run.isPending}>
              Create
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

export function KeysPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const { livemode } = useSession();
  const [secret, setSecret] = useState<string | null>(null);
  const query = { limit: 50, cursor: search.cursor };
  const page = useQuery({ queryKey: ["api-keys", query], queryFn: ({ signal }) => data(api.GET("/api-keys", { params: { query }, signal })) });
  const rows = page.data?.data ?? [];
  const open = (on: boolean) => void navigate({ search: (before) => ({ ...before, new: on ? "yes" : undefined }) });
  const columns: Column<ApiKey>[] = [
    { key: "name", title: "Name", show: (row) => row.name },
    { key: "prefix", title: "Begins with", show: (row) => <code>{row.prefix}</code>, wide: true },
    { key: "scopes", title: "May do", show: scopes, wide: true },
    { key: "used", title: "Last used", show: (row) => <Moment at={row.lastUsedAt} />, wide: true },
    { key: "expires", title: "Good until", show: (row) => <Moment at={row.expiresAt} /> },
    ...(may.write ? [{ key: "actions", title: "Actions", show: (row: ApiKey) => <Actions row={row} show={setSecret} /> }] : []),
  ];
  return (
    <>
      <Head title="API keys">
        {may.write && (
          <Button data-new onClick={() => open(true)}>
            New key
          </Button>
        )}
      </Head>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={6} />}
      {page.data && rows.length === 0 && (
        <Empty title={`No API keys for ${livemode ? "live" : "the sandbox"} yet`} curl={'curl ORIGIN/api/v1/customers -H "x-api-key: $KEY"'}>
          <Text size="sm">A program needs a key. It is of one environment, and shown once, when it is made.</Text>
        </Empty>
      )}
      {rows.length > 0 && <Rows caption="API keys" rows={rows} columns={columns} />}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: { cursor } })} />
      {may.write && <NewKey opened={search.new === "yes"} close={() => open(false)} show={setSecret} />}
      <Secret title="The key" text="Programs send it in the header x-api-key. Only its hash is kept here." secret={secret} close={() => setSecret(null)} />
    </>
  );
}
