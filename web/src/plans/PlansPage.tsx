import { Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { api, data } from "../api/client";
import type { Plan } from "../api/types";
import { useMay } from "../session/session";
import { Confirm } from "../ui/Confirm";
import { Empty, faultOf, Head, None, Problem, useOpening, Waiting } from "../ui/parts";
import { Pages, Rows, type Column } from "../ui/Rows";
import { refresh } from "./plan";
import { addPrice, isNamed, NO_PRICE, PriceFields, PriceForm, Prices } from "./Price";

const route = getRouteApi("/shell/plans");

function Actions({ plan }: { plan: Plan }) {
  const path = { params: { path: { id: plan.id } } };
  return (
    <Group gap="xs">
      <PriceForm plan={plan} button="Add price" label={`Add price to ${plan.name}`} />
      <Confirm
        button={plan.isPublic ? "Make private" : "Make public"}
        label={`${plan.isPublic ? "Make private" : "Make public"}: ${plan.name}`}
        title={plan.isPublic ? "Make this plan private?" : "Make this plan public?"}
        act={async () => {
          await data(api.PATCH("/plans/{id}", { ...path, body: { isPublic: !plan.isPublic } }));
          await refresh();
        }}
      >
        {plan.isPublic ? "It leaves the list of plans that is shown to everybody. Subscriptions to it go on." : "It comes into the list of plans that is shown to everybody."}
      </Confirm>
      <Confirm
        button="Delete"
        label={`Delete ${plan.name}`}
        title={`Delete ${plan.name}?`}
        danger
        act={async () => {
          await data(api.DELETE("/plans/{id}", path));
          await refresh();
        }}
      >
        Nobody can subscribe to it any more. Subscriptions to it go on, and its code stays taken.
      </Confirm>
    </Group>
  );
}

const codeOf = (name: string) =>
  name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");

const NO_PLAN = { name: "", code: "", description: "", isPublic: false, isFree: false };

function NewPlan({ opened, close }: { opened: boolean; close: () => void }) {
  const navigate = useNavigate();
  const [values, setValues] = useState(NO_PLAN);
  const [price, setPrice] = useState(NO_PRICE);
  /* Until somebody writes another code, it follows from the name. */
  const put = (name: "name" | "code" | "description", value: string) =>
    setValues({ ...values, ...(name === "name" && values.code === codeOf(values.name) && { code: codeOf(value) }), [name]: value });
  /* Made already, when only its price was refused. */
  const [made, setMade] = useState<Plan | null>(null);
  const run = useMutation({
    mutationFn: async () => {
      const { description, ...rest } = values;
      const plan = made ?? (await data(api.POST("/plans", { body: { ...rest, ...(description && { description }) } })));
      setMade(plan as Plan);
      if (!values.isFree) await addPrice(plan.id, price);
    },
    onSettled: refresh,
    onSuccess: () => {
      clear();
      close();
    },
  });
  const clear = () => {
    setMade(null);
    setPrice(NO_PRICE);
    setValues(NO_PLAN);
  };
  useOpening(opened, () => {
    run.reset();
    if (made) clear();
  });
  /* The plan is there without its price, too, and its page says what it lacks. */
  const leave = () => (made ? void navigate({ to: "/plans/$id", params: { id: made.id }, replace: true }) : close());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run.mutate();
  };
  const named = isNamed(run.error) || ["name", "code", "description"].some((field) => faultOf(run.error, field));
  return (
    <Modal opened={opened} onClose={leave} title="New plan">
      <form onSubmit={submit} noValidate>
        <Stack>
          {(
            [
              ["name", "Name", undefined],
              ["code", "Code", "By which your program names it: small letters, digits and _."],
              ["description", "Description", undefined],
            ] as const
          ).map(([name, label, description], at) => (
            <TextInput
              key={name}
              label={label}
              description={description}
              required={name !== "description"}
              data-autofocus={at === 0 ? true : undefined}
              disabled={made !== null}
              value={values[name]}
              error={faultOf(run.error, name)}
              onChange={(event) => put(name, event.currentTarget.value)}
            />
          ))}
          <Checkbox label="Public: in the list that is shown to everybody" disabled={made !== null} checked={values.isPublic} onChange={(event) => setValues({ ...values, isPublic: event.currentTarget.checked })} />
          <Checkbox label="Free of charge" disabled={made !== null} checked={values.isFree} onChange={(event) => setValues({ ...values, isFree: event.currentTarget.checked })} />
          {!values.isFree && <PriceFields values={price} set={setPrice} error={run.error} />}
          {made && <Text size="sm">The plan was made; its price was not.</Text>}
          {run.error && !named && <Problem error={run.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={leave}>
              {made ? "To the plan" : "Cancel"}
            </Button>
            <Button type="submit" loading={run.isPending}>
              {made ? "Add the price" : "Create"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

export function PlansPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const query = { includePrivate: "true" as const, limit: 50, cursor: search.cursor };
  const page = useQuery({ queryKey: ["plans", query], queryFn: ({ signal }) => data(api.GET("/plans", { params: { query }, signal })) });
  const open = (on: boolean) => void navigate({ search: (before) => ({ ...before, new: on ? "yes" : undefined }) });
  const rows = page.data?.data ?? [];
  const columns: Column<Plan>[] = [
    {
      key: "name",
      title: "Name",
      show: (row) => (
        <Link to="/plans/$id" params={{ id: row.id }}>
          {row.name}
        </Link>
      ),
    },
    { key: "code", title: "Code", show: (row) => <code>{row.code}</code>, wide: true },
    { key: "prices", title: "Prices", show: (row) => <Prices plan={row} /> },
    { key: "public", title: "Shown to", show: (row) => (row.isPublic ? "everybody" : "nobody"), wide: true },
    { key: "description", title: "Description", show: (row) => row.description ?? <None />, wide: true },
    ...(may.write ? [{ key: "actions", title: "Actions", show: (row: Plan) => <Actions plan={row} />, wide: true }] : []),
  ];
  return (
    <>
      <Head title="Plans">
        <Link to="/plans/groups">Plan groups</Link>
        {may.write && (
          <Button data-new onClick={() => open(true)}>
            New plan
          </Button>
        )}
      </Head>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={6} />}
      {page.data && rows.length === 0 && (
        <Empty
          title="No plans yet"
          curl={`curl ORIGIN/api/v1/plans -H "x-api-key: $KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"name":"Pro","code":"pro","isPublic":true}'`}
        >
          <Text size="sm">A plan is what customers subscribe to: a name, a code, and prices for one or more intervals.</Text>
        </Empty>
      )}
      {rows.length > 0 && <Rows caption="Plans" rows={rows} columns={columns} />}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: { cursor } })} />
      {may.write && <NewPlan opened={search.new === "yes"} close={() => open(false)} />}
    </>
  );
}
