/* A group: its plans in their order, which one changes by dragging, by a button or by Alt with an arrow. */
import { Anchor, Button, Group, Modal, NativeSelect, Text } from "@mantine/core";
import { useIsMutating, useMutation } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState, type DragEvent, type KeyboardEvent } from "react";
import { api, ApiError, data } from "../api/client";
import { queries } from "../api/query";
import type { PlanGroupDetails } from "../api/types";
import { useMay, useSession } from "../session/session";
import { Confirm } from "../ui/Confirm";
import { Head, Id, Problem, Waiting } from "../ui/parts";
import { GroupForm } from "./GroupsPage";
import { groupKey, refresh, useAllPlans, useGroup } from "./plan";

const route = getRouteApi("/shell/plans/groups/$id");
type Member = PlanGroupDetails["plans"][number];
type Way = "up" | "down";

const moved = (plans: Member[], from: number, to: number): Member[] => {
  const rest = plans.filter((_, at) => at !== from);
  return [...rest.slice(0, to), plans[from] as Member, ...rest.slice(to)];
};

/** Shows the new order at once, and saves one after the other; when one is refused, what the service has is shown again. */
function useOrder(group: PlanGroupDetails) {
  const mutationKey = ["reorder", group.id];
  const run = useMutation({
    mutationKey,
    scope: { id: mutationKey.join(" ") },
    mutationFn: (plans: Member[]) =>
      data(api.PUT("/plan-groups/{id}/plans/reorder", { params: { path: { id: group.id } }, body: { planIds: plans.map(({ id }) => id) } })),
    onSettled: async () => {
      if (queries.isMutating({ mutationKey }) <= 1) await refresh();
    },
  });
  const put = (plans: Member[]) => {
    void queries.cancelQueries({ queryKey: groupKey(group.id) });
    queries.setQueryData(groupKey(group.id), { ...group, plans });
    run.mutate(plans);
  };
  return { put, error: run.error, busy: useIsMutating({ mutationKey }) > 0 };
}

function Members({ group, editable }: { group: PlanGroupDetails; editable: boolean }) {
  const { plans } = group;
  const { put, error, busy } = useOrder(group);
  const [said, setSaid] = useState("");
  const [dragged, setDragged] = useState<number | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const list = useRef<HTMLOListElement>(null);
  /* A row that the browser moves in the page loses the focus: it gets it back. */
  const focus = useRef<{ id: string; way: Way } | null>(null);
  useEffect(() => {
    if (!focus.current) return;
    const { id, way } = focus.current;
    list.current?.querySelector<HTMLElement>(`[data-id="${id}"] [data-way="${way}"]`)?.focus();
    focus.current = null;
  }, [plans]);
  /* Of the order that there is now, which a quick second key may find before it is shown. */
  const now = () => queries.getQueryData<PlanGroupDetails>(groupKey(group.id))?.plans ?? plans;
  const move = (id: string, place: (from: number) => number) => {
    const order = now();
    const from = order.findIndex((plan) => plan.id === id);
    const to = place(from);
    if (from < 0 || from === to || to < 0 || to >= order.length) return;
    setSaid(`${order[from]?.name} is now number ${to + 1} of ${order.length}.`);
    put(moved(order, from, to));
  };
  const step = (id: string, way: Way) => {
    focus.current = { id, way };
    move(id, (from) => (way === "up" ? from - 1 : from + 1));
  };
  const press = (id: string) => (event: KeyboardEvent) => {
    const way = event.altKey && ({ ArrowUp: "up", ArrowDown: "down" } as const)[event.key as "ArrowUp"];
    if (!way) return;
    event.preventDefault();
    step(id, way);
  };
  const drag = (at: number) =>
    editable && {
      draggable: true,
      onDragStart: (event: DragEvent) => {
        event.dataTransfer.effectAllowed = "move";
        event.dataTransfer.setData("text/plain", plans[at]?.name ?? "");
        setDragged(at);
      },
      onDragOver: (event: DragEvent) => {
        if (dragged === null) return;
        event.preventDefault();
        setOver(at);
      },
      onDrop: (event: DragEvent) => {
        event.preventDefault();
        move(plans[dragged ?? -1]?.id ?? "", () => at);
      },
      onDragEnd: () => {
        setDragged(null);
        setOver(null);
      },
    };
  return (
    <section className="section" aria-labelledby="members">
      <div className="head">
        <h2 id="members">Plans, the lowest first</h2>
      </div>
      {editable && plans.length > 1 && (
        <Text size="sm" mb="xs">
          A change to a plan further down is an upgrade. Drag a plan to its place, or use its buttons; on them, Alt with an arrow moves it too.
        </Text>
      )}
      {error && <Problem error={error} />}
      {plans.length === 0 && <Text size="sm">None yet.</Text>}
      <ol className="order" ref={list} aria-busy={busy}>
        {plans.map((plan, at) => (
          <li
            key={plan.id}
            data-id={plan.id}
            data-over={over === at && dragged !== null && dragged !== at ? (dragged > at ? "above" : "below") : undefined}
            data-dragged={dragged === at || undefined}
            onKeyDown={editable ? press(plan.id) : undefined}
            {...drag(at)}
          >
            {editable && (
              <span className="grip" aria-hidden>
                ⠿
              </span>
            )}
            <span className="grow">
              <Link to="/plans/$id" params={{ id: plan.id }} draggable={false}>
                {plan.name}
              </Link>{" "}
              <code>{plan.code}</code>
            </span>
            {editable && (
              <Group gap={4} wrap="nowrap">
                {(["up", "down"] as const).map((way) => (
                  <Button
                    key={way}
                    size="compact-sm"
                    variant="default"
                    data-way={way}
                    /* Not disabled: a button that disables itself loses the focus. */
                    aria-disabled={at === (way === "up" ? 0 : plans.length - 1)}
                    aria-label={`Move ${plan.name} ${way}`}
                    onClick={() => step(plan.id, way)}
                  >
                    {way === "up" ? "↑" : "↓"}
                  </Button>
                ))}
                <Confirm
                  button="Take out"
                  label={`Take out ${plan.name}`}
                  title={`Take ${plan.name} out of ${group.name}?`}
                  act={async () => {
                    await data(api.DELETE("/plan-groups/{id}/plans/{planId}", { params: { path: { id: group.id, planId: plan.id } } }));
                    await refresh();
                  }}
                >
                  The plan stays, and so do subscriptions to it; they can change to no plan of this group any more.
                </Confirm>
              </Group>
            )}
          </li>
        ))}
      </ol>
      <p role="status" className="said">
        {said}
      </p>
    </section>
  );
}

function Add({ group }: { group: PlanGroupDetails }) {
  const every = useAllPlans();
  const [planId, setPlanId] = useState("");
  const run = useMutation({
    mutationFn: () => data(api.POST("/plan-groups/{id}/plans", { params: { path: { id: group.id } }, body: { planId } })),
    onSuccess: async () => {
      setPlanId("");
      await refresh();
    },
  });
  const free = every.data?.filter((plan) => plan.planGroupId === null) ?? [];
  return (
    <section className="section" aria-labelledby="add">
      <h2 id="add">Add a plan</h2>
      {every.error && <Problem error={every.error} again={() => void every.refetch()} />}
      {every.data && free.length === 0 && <Text size="sm">All plans are in a group. One that is in another group is taken out there first.</Text>}
      {free.length > 0 && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run.mutate();
          }}
        >
          <Group align="end" gap="xs">
            <NativeSelect label="Plan that is in no group" value={planId} onChange={(event) => setPlanId(event.currentTarget.value)}>
              <option value="">Choose a plan</option>
              {free.map(({ id, name, code }) => (
                <option key={id} value={id}>
                  {name} ({code})
                </option>
              ))}
            </NativeSelect>
            <Button type="submit" disabled={!planId} loading={run.isPending}>
              Add
            </Button>
          </Group>
        </form>
      )}
      {run.error && <Problem error={run.error} />}
    </section>
  );
}

export function GroupPage() {
  const { id } = route.useParams();
  const may = useMay();
  const navigate = useNavigate();
  const { livemode, organization } = useSession();
  const [editing, setEditing] = useState(false);
  const { data: group, error, refetch } = useGroup(id);
  if (!group && error)
    return (
      <>
        <Head title={error instanceof ApiError && error.status === 404 ? "No such plan group" : "The plan group"} />
        {error instanceof ApiError && error.status === 404 && (
          <Text>
            There is no plan group <code>{id}</code> in {organization.name}, {livemode ? "live" : "sandbox"}.
          </Text>
        )}
        <Problem error={error} again={() => void refetch()} />
        <Link to="/plans/groups">To the plan groups</Link>
      </>
    );
  if (!group) return <Waiting lines={6} />;
  return (
    <>
      <Anchor component={Link} to="/plans/groups" size="sm">
        Plan groups
      </Anchor>
      <Head title={group.name}>
        {may.write && (
          <Group gap="xs">
            <Button size="compact-sm" variant="default" onClick={() => setEditing(true)}>
              Edit
            </Button>
            <Confirm
              button="Delete"
              label="Delete the group"
              title={`Delete ${group.name}?`}
              danger
              act={async () => {
                await data(api.DELETE("/plan-groups/{id}", { params: { path: { id } } }));
                await navigate({ to: "/plans/groups" });
                await refresh();
              }}
            >
              Its plans stay, and are in no group then. Subscriptions to them go on.
            </Confirm>
            <Modal opened={editing} onClose={() => setEditing(false)} title={`Edit ${group.name}`}>
              {editing && <GroupForm group={group} close={() => setEditing(false)} />}
            </Modal>
          </Group>
        )}
      </Head>
      {error && <Problem error={error} again={() => void refetch()} />}
      {group.description && <p>{group.description}</p>}
      <Group gap="md">
        <Id id={group.id} />
        <Text size="sm">{group.isPublic ? "Public" : "Not public"}</Text>
      </Group>
      <Members group={group} editable={may.write} />
      {may.write && <Add group={group} />}
    </>
  );
}
