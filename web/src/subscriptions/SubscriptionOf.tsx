/* The subscription of a customer: assign a plan, change it, cancel, take the cancellation back. */
import { Alert, Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, data } from "../api/client";
import { queries } from "../api/query";
import type { CustomerDetails, Plan, PlanChangePreview, Subscription } from "../api/types";
import { useAllPlans } from "../plans/plan";
import { useMay } from "../session/session";
import { Copy, Money, Moment, Problem, Status, Waiting } from "../ui/parts";
import { Choice, interval, PlanForm, subscribe, type Chosen } from "./Plan";

const refreshAll = () => queries.invalidateQueries();
type Interval = NonNullable<Plan["prices"][number]["billingInterval"]>;

function Assign({ customer, close }: { customer: CustomerDetails; close: () => void }) {
  const run = useMutation({
    mutationFn: (chosen: Chosen) => subscribe(customer.id, chosen),
    onSuccess: async () => {
      close();
      await refreshAll();
    },
  });
  return <PlanForm submit={run.mutate} close={close} busy={run.isPending} error={run.error} />;
}

function Quote({ quote }: { quote: PlanChangePreview }) {
  const money = (amount: number) => <Money amount={amount} currency={quote.currency} />;
  return (
    <dl className="facts">
      <dt>New plan</dt>
      <dd>{money(quote.newPlanCharge)}</dd>
      <dt>Left of the old one</dt>
      <dd>{money(-quote.currentPlanCredit)}</dd>
      <dt>To pay</dt>
      <dd>
        <b>{money(quote.estimatedTotal)}</b>
      </dd>
      <dt>From</dt>
      <dd>
        <Moment at={quote.effectiveDate} />
      </dd>
    </dl>
  );
}

function Change({ subscription, close }: { subscription: Subscription; close: () => void }) {
  const plans = useAllPlans();
  const present = { planId: subscription.plan.id ?? "", priceId: subscription.priceId ?? "" };
  const [chosen, setChosen] = useState(present);
  const billingInterval = (plans.data?.find(({ id }) => id === chosen.planId)?.prices.find(({ id }) => id === chosen.priceId)?.billingInterval ??
    undefined) as Interval | undefined;
  const path = { params: { path: { id: subscription.id } } };
  const same = chosen.planId === present.planId && chosen.priceId === present.priceId;
  const quote = useQuery({
    queryKey: ["quote", subscription.id, chosen],
    enabled: chosen.planId !== "" && !same,
    queryFn: () => data(api.POST("/subscriptions/{id}/preview-change", { ...path, body: { planId: chosen.planId, ...(billingInterval && { billingInterval }) } })),
  });
  const run = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/subscriptions/{id}/change-plan", { ...path, body: { newPlanId: chosen.planId, ...(billingInterval && { newBillingInterval: billingInterval }) } }),
      ),
    onSuccess: async () => {
      close();
      await refreshAll();
    },
  });
  const waits = quote.error && "code" in quote.error && quote.error.code === "plan_change_scheduled";
  if (!plans.data) return plans.error ? <Problem error={plans.error} again={() => void plans.refetch()} /> : <Waiting />;
  return (
    <Stack>
      <Choice plans={plans.data} planName={subscription.plan.name} {...chosen} set={(planId, priceId) => setChosen({ planId, priceId })} />
      {quote.data && <Quote quote={quote.data} />}
      {waits && <Alert color="blue" title="This change takes effect at the end of the period. Nothing is to be paid before." />}
      {quote.error && !waits && <Problem error={quote.error} />}
      {run.error && <Problem error={run.error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        <Button onClick={() => run.mutate()} disabled={same || !(quote.data || waits)} loading={run.isPending}>
          Change
        </Button>
      </Group>
    </Stack>
  );
}

function Cancel({ subscription, close }: { subscription: Subscription; close: () => void }) {
  const [immediate, setImmediate] = useState(false);
  const [reason, setReason] = useState("");
  const run = useMutation({
    mutationFn: () =>
      answer(api.POST("/subscriptions/{id}/cancel", { params: { path: { id: subscription.id } }, body: { immediate, ...(reason && { reason }) } })),
    onSuccess: async () => {
      close();
      await refreshAll();
    },
  });
  return (
    <Stack>
      <Text size="sm">
        {immediate ? "It ends now, and what is outstanding is void." : "It goes on until the end of what is paid, or of its trial."} Nothing is paid back.
      </Text>
      <Checkbox label="At once" checked={immediate} onChange={(event) => setImmediate(event.currentTarget.checked)} />
      <TextInput label="Reason" value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
      {run.error && <Problem error={run.error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          Keep it
        </Button>
        <Button color="red" onClick={() => run.mutate()} loading={run.isPending}>
          Cancel the subscription
        </Button>
      </Group>
    </Stack>
  );
}

function Facts({ subscription }: { subscription: Subscription }) {
  const period = subscription.currentPeriod;
  const change = subscription.scheduledPlanChange;
  return (
    <dl className="facts">
      <dt>Plan</dt>
      <dd>
        {subscription.plan.name}, {interval(subscription.billingInterval)}
      </dd>
      <dt>Status</dt>
      <dd>
        <Status status={subscription.status} />
      </dd>
      {subscription.trialEndsAt && subscription.status === "trialing" && (
        <>
          <dt>Trial until</dt>
          <dd>
            <Moment at={subscription.trialEndsAt} />
          </dd>
        </>
      )}
      {period && (
        <>
          <dt>Period until</dt>
          <dd>
            <Moment at={period.end} />
          </dd>
        </>
      )}
      {subscription.cancellation && (
        <>
          <dt>Ends</dt>
          <dd>
            <Moment at={subscription.cancellation.effectiveAt} /> {subscription.cancellation.reason}
          </dd>
        </>
      )}
      {change && (
        <>
          <dt>Changes</dt>
          <dd>
            to {change.newPlanName}, {interval(change.newBillingInterval)}, on <Moment at={change.scheduledFor} />
          </dd>
        </>
      )}
      {subscription.checkoutUrl && (
        <>
          <dt>To pay at</dt>
          <dd>
            <a href={subscription.checkoutUrl} target="_blank" rel="noreferrer">
              the customer's page
            </a>
            <Copy text={subscription.checkoutUrl} what="the address" />
          </dd>
        </>
      )}
    </dl>
  );
}

const DIALOGS = { assign: "Assign a plan", change: "Change the plan", cancel: "Cancel the subscription" } as const;

export function SubscriptionOf({ customer }: { customer: CustomerDetails }) {
  const may = useMay();
  const [dialog, open] = useState<keyof typeof DIALOGS | null>(null);
  const { data: subscription, error, isLoading, refetch } = useQuery({
    queryKey: ["subscription of", customer.id, customer.subscription?.id],
    queryFn: async ({ signal }) =>
      customer.subscription ? await data(api.GET("/subscriptions/{id}", { params: { path: { id: customer.subscription.id } }, signal })) : null,
  });
  const keep = useMutation({
    mutationFn: (id: string) => answer(api.POST("/subscriptions/{id}/uncancel", { params: { path: { id } } })),
    onSuccess: refreshAll,
  });
  const close = () => open(null);
  return (
    <section aria-labelledby="subscription">
      <div className="head">
        <h2 id="subscription">Subscription</h2>
      </div>
      {error && <Problem error={error} again={() => void refetch()} />}
      {isLoading && <Waiting lines={3} />}
      {subscription === null && <Text size="sm">None.</Text>}
      {subscription && <Facts subscription={subscription} />}
      {keep.error && <Problem error={keep.error} />}
      {may.write && (
        <Group gap="xs" mt="sm">
          {subscription === null && !customer.archivedAt && <Button onClick={() => open("assign")}>Assign a plan</Button>}
          {subscription && !subscription.cancelAtPeriodEnd && (
            <>
              {["active", "trialing"].includes(subscription.status) && (
                <Button variant="default" onClick={() => open("change")}>
                  Change plan
                </Button>
              )}
              <Button variant="default" onClick={() => open("cancel")}>
                {DIALOGS.cancel}
              </Button>
            </>
          )}
          {subscription?.cancelAtPeriodEnd && (
            <Button variant="default" onClick={() => keep.mutate(subscription.id)} loading={keep.isPending}>
              Take the cancellation back
            </Button>
          )}
        </Group>
      )}
      <Modal opened={dialog !== null} onClose={close} title={dialog && DIALOGS[dialog]}>
        {dialog === "assign" && <Assign customer={customer} close={close} />}
        {dialog === "change" && subscription && <Change subscription={subscription} close={close} />}
        {dialog === "cancel" && subscription && <Cancel subscription={subscription} close={close} />}
      </Modal>
    </section>
  );
}
