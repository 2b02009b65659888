/* A plan: its fields, its prices, the group that it is in. */
import { Anchor, Button, Checkbox, Group, Modal, NativeSelect, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import { api, ApiError, data } from "../api/client";
import { indented, isJson, members } from "../api/text";
import type { Plan } from "../api/types";
import { useCurrency } from "../invoices/Invoices";
import { useMay, useSession } from "../session/session";
import { interval } from "../subscriptions/Plan";
import { Confirm } from "../ui/Confirm";
import { faultOf, Head, Id, Money, Moment, None, Problem, Waiting } from "../ui/parts";
import { Rows, type Column } from "../ui/Rows";
import { changePlan, refresh, useAllGroups, useGroup, usePlan, type Shown } from "./plan";
import { PriceForm } from "./Price";

const route = getRouteApi("/shell/plans/$id");

const MODELS = ["metered", "credits", "balance"] as const;
type Model = (typeof MODELS)[number] | "";

/** All fields at once; only what is another than before is sent. */
function Edit({ shown, close }: { shown: Shown; close: () => void }) {
  const { plan } = shown;
  const groups = useAllGroups();
  const before = {
    name: plan.name,
    code: plan.code,
    description: plan.description ?? "",
    isPublic: plan.isPublic,
    isFree: plan.isFree,
    consumptionModel: (plan.consumptionModel ?? "") as Model,
    blockOnExhaustion: plan.blockOnExhaustion ?? false,
    planGroupId: plan.planGroupId ?? "",
    metadata: indented(shown.metadata),
  };
  const [values, setValues] = useState(before);
  const [broken, setBroken] = useState(false);
  const run = useMutation({
    mutationFn: () => {
      const changed = Object.entries(values).filter(([name, value]) => value !== before[name as keyof typeof before]);
      return changePlan(plan.id, Object.fromEntries(changed));
    },
    onSuccess: async () => {
      close();
      await refresh();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const bad = !isJson(values.metadata) || !values.metadata.trim().startsWith("{");
    setBroken(bad);
    if (!bad) run.mutate();
  };
  const put = (change: Partial<typeof values>) => setValues({ ...values, ...change });
  const text = (name: "name" | "code" | "description") => ({
    value: values[name],
    error: faultOf(run.error, name),
    onChange: (event: { currentTarget: { value: string } }) => put({ [name]: event.currentTarget.value }),
  });
  const named = Object.keys(before).some((field) => faultOf(run.error, field));
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <TextInput label="Name" required data-autofocus {...text("name")} />
        <TextInput label="Code" description="By which your program names it: small letters, digits and _." required {...text("code")} />
        <TextInput label="Description" {...text("description")} />
        <Checkbox label="Public: in the list that is shown to everybody" checked={values.isPublic} onChange={(event) => put({ isPublic: event.currentTarget.checked })} />
        <Checkbox label="Free of charge" checked={values.isFree} error={faultOf(run.error, "isFree")} onChange={(event) => put({ isFree: event.currentTarget.checked })} />
        <NativeSelect
          label="Group"
          description="It comes last in the group. Out of a group it is taken on the group's page."
          value={values.planGroupId}
          error={faultOf(run.error, "planGroupId") ?? groups.error?.message}
          onChange={(event) => put({ planGroupId: event.currentTarget.value })}
        >
          {!plan.planGroupId && <option value="">none</option>}
          {plan.planGroupId && !groups.data && <option value={plan.planGroupId}>{plan.planGroupId}</option>}
          {groups.data?.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </NativeSelect>
        <NativeSelect
          label="Consumption"
          value={values.consumptionModel}
          error={faultOf(run.error, "consumptionModel")}
          onChange={(event) => put({ consumptionModel: event.currentTarget.value as Model })}
        >
          {!plan.consumptionModel && <option value="">not said</option>}
          {MODELS.map((model) => (
            <option key={model}>{model}</option>
          ))}
        </NativeSelect>
        <Checkbox label="Blocks when nothing is left" checked={values.blockOnExhaustion} onChange={(event) => put({ blockOnExhaustion: event.currentTarget.checked })} />
        <Textarea
          label="Metadata"
          description="A JSON object, kept as it is written."
          classNames={{ input: "code" }}
          rows={Math.min(12, values.metadata.split("\n").length + 1)}
          value={values.metadata}
          error={broken ? "This is not a JSON object: {\"key\": \"value\"}." : faultOf(run.error, "metadata")}
          onChange={(event) => put({ metadata: event.currentTarget.value })}
        />
        {run.error && !named && <Problem error={run.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={run.isPending}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Actions({ shown }: { shown: Shown }) {
  const [editing, setEditing] = useState(false);
  const navigate = useNavigate();
  const { plan } = shown;
  return (
    <Group gap="xs">
      <Button size="compact-sm" variant="default" onClick={() => setEditing(true)}>
        Edit
      </Button>
      <Confirm
        button="Delete"
        label="Delete the plan"
        title={`Delete ${plan.name}?`}
        danger
        act={async () => {
          await data(api.DELETE("/plans/{id}", { params: { path: { id: plan.id } } }));
          await navigate({ to: "/plans" });
          await refresh();
        }}
      >
        Nobody can subscribe to it any more. Subscriptions to it go on, and its code stays taken.
      </Confirm>
      <Modal opened={editing} onClose={() => setEditing(false)} title={`Edit ${plan.name}`}>
        {editing && <Edit shown={shown} close={() => setEditing(false)} />}
      </Modal>
    </Group>
  );
}

type Price = Plan["prices"][number];

function PriceActions({ plan, price }: { plan: Plan; price: Price }) {
  const path = { params: { path: { id: plan.id, priceId: price.id } } };
  const name = `the ${interval(price.billingInterval)} price`;
  const choose = useMutation({
    mutationFn: () => data(api.PUT("/plans/{id}/prices/{priceId}/default", path)),
    onSuccess: refresh,
    onError: (error) => notifications.show({ color: "red", title: "Not the default", message: error.message }),
  });
  return (
    <Group gap="xs">
      <PriceForm plan={plan} price={price} button="Edit" label={`Edit ${name}`} />
      {!price.isDefault && (
        <Button size="compact-sm" variant="default" loading={choose.isPending} onClick={() => choose.mutate()} aria-label={`Make default: ${name}`}>
          Make default
        </Button>
      )}
      <Confirm
        button="Delete"
        label={`Delete ${name}`}
        title={`Delete ${name}?`}
        danger
        act={async () => {
          await data(api.DELETE("/plans/{id}/prices/{priceId}", path));
          await refresh();
        }}
      >
        Nobody can subscribe at it any more. Subscriptions that pay it go on.
      </Confirm>
    </Group>
  );
}

function PricesOf({ plan, editable }: { plan: Plan; editable: boolean }) {
  const currency = useCurrency();
  const columns: Column<Price>[] = [
    { key: "interval", title: "Interval", show: (row) => interval(row.billingInterval) },
    { key: "price", title: "Price", number: true, show: (row) => <Money amount={row.price} currency={currency} /> },
    { key: "trial", title: "Trial", show: (row) => (row.trialDays > 0 ? `${row.trialDays} days` : <None />), wide: true },
    { key: "default", title: "Default", show: (row) => (row.isDefault ? "yes" : <None />), wide: true },
    ...(editable ? [{ key: "actions", title: "Actions", show: (row: Price) => <PriceActions plan={plan} price={row} /> }] : []),
  ];
  return (
    <section className="section" aria-labelledby="prices">
      <div className="head">
        <h2 id="prices">Prices</h2>
        {editable && !plan.isFree && <PriceForm plan={plan} button="Add price" label={`Add price to ${plan.name}`} />}
      </div>
      {plan.isFree && <Text size="sm">It is free of charge.</Text>}
      {!plan.isFree && plan.prices.length === 0 && <Text size="sm">None yet: nobody can subscribe to it.</Text>}
      {plan.prices.length > 0 && <Rows caption="Prices of this plan" rows={plan.prices} columns={columns} />}
    </section>
  );
}

function GroupOf({ id }: { id: string }) {
  const group = useGroup(id);
  return (
    <Link to="/plans/groups/$id" params={{ id }}>
      {group.data?.name ?? id}
    </Link>
  );
}

function Facts({ shown: { plan, metadata } }: { shown: Shown }) {
  const facts: [string, ReactNode][] = [
    ["Id", <Id key="id" id={plan.id} />],
    ["Code", <code key="code">{plan.code}</code>],
    ["Description", plan.description ?? <None />],
    ["Shown to", plan.isPublic ? "everybody" : "nobody"],
    ["Group", plan.planGroupId ? <GroupOf id={plan.planGroupId} /> : <None />],
    ["Consumption", plan.consumptionModel ? `${plan.consumptionModel}${plan.blockOnExhaustion ? ", blocks when nothing is left" : ""}` : <None />],
    ["Made", <Moment key="made" at={plan.createdAt} />],
    ["Changed", <Moment key="changed" at={plan.updatedAt} />],
  ];
  const pairs = members(metadata);
  return (
    <>
      <dl className="facts">{facts.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} `}>{value}</dd>])}</dl>
      {pairs.length > 0 && (
        <section className="section" aria-labelledby="metadata">
          <h2 id="metadata">Metadata</h2>
          <dl className="facts">
            {pairs.map(([key, value]) => [
              <dt key={key}>{key}</dt>,
              <dd key={`${key} `}>
                <pre className="json">{value.startsWith('"') ? (JSON.parse(value) as string) : indented(value)}</pre>
              </dd>,
            ])}
          </dl>
        </section>
      )}
    </>
  );
}

export function PlanPage() {
  const { id } = route.useParams();
  const may = useMay();
  const { livemode, organization } = useSession();
  const { data: shown, error, refetch } = usePlan(id);
  if (!shown && error)
    return (
      <>
        <Head title={error instanceof ApiError && error.status === 404 ? "No such plan" : "The plan"} />
        {error instanceof ApiError && error.status === 404 && (
          <Text>
            There is no plan <code>{id}</code> in {organization.name}, {livemode ? "live" : "sandbox"}. It may be in the other environment, or was
            deleted.
          </Text>
        )}
        <Problem error={error} again={() => void refetch()} />
        <Link to="/plans">To the plans</Link>
      </>
    );
  if (!shown) return <Waiting lines={8} />;
  return (
    <>
      <Anchor component={Link} to="/plans" size="sm">
        Plans
      </Anchor>
      <Head title={shown.plan.name}>{may.write && <Actions shown={shown} />}</Head>
      {error && <Problem error={error} again={() => void refetch()} />}
      <Facts shown={shown} />
      <PricesOf plan={shown.plan} editable={may.write} />
    </>
  );
}
