/* Choosing a plan and one of its prices, for one customer or for many. */
import { Button, Checkbox, Group, NativeSelect, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { answer, api } from "../api/client";
import type { Plan } from "../api/types";
import { useCurrency } from "../invoices/Invoices";
import { useAllPlans } from "../plans/plan";
import { Empty, Money, Problem, Waiting } from "../ui/parts";

export const interval = (of: string | null) => (of ?? "once").replaceAll("_", " ");

/** A plan, and one of its prices. What is paid now may be deleted by now: it is shown, and cannot be chosen. */
export function Choice(given: { plans: Plan[]; planId: string; planName?: string; priceId: string; set: (planId: string, priceId: string) => void }) {
  const currency = useCurrency();
  const plan = given.plans.find(({ id }) => id === given.planId);
  return (
    <>
      <NativeSelect
        label="Plan"
        required
        value={given.planId}
        onChange={(event) => {
          const chosen = given.plans.find(({ id }) => id === event.currentTarget.value);
          given.set(event.currentTarget.value, (chosen?.prices.find((price) => price.isDefault) ?? chosen?.prices[0])?.id ?? "");
        }}
      >
        <option value="">Choose a plan</option>
        {given.planId && !plan && (
          <option value={given.planId} disabled>
            {given.planName ?? given.planId} (deleted)
          </option>
        )}
        {given.plans.map(({ id, name, isPublic }) => (
          <option key={id} value={id}>
            {name}
            {isPublic ? "" : " (private)"}
          </option>
        ))}
      </NativeSelect>
      {plan && plan.prices.length > 0 && (
        <NativeSelect label="Price" value={given.priceId} onChange={(event) => given.set(given.planId, event.currentTarget.value)}>
          {!plan.prices.some(({ id }) => id === given.priceId) && (
            <option value={given.priceId} disabled>
              as now
            </option>
          )}
          {plan.prices.map((price) => (
            <option key={price.id} value={price.id}>
              {interval(price.billingInterval)}
              {price.trialDays > 0 ? `, ${price.trialDays} days of trial` : ""}
            </option>
          ))}
        </NativeSelect>
      )}
      {plan?.prices
        .filter(({ id }) => id === given.priceId)
        .map((price) => (
          <Text size="sm" key={price.id}>
            <Money amount={price.price} currency={currency} /> {interval(price.billingInterval)}
          </Text>
        ))}
    </>
  );
}

export interface Chosen {
  planId: string;
  priceId: string;
  skipTrial: boolean;
}

export function subscribe(customerId: string, { planId, priceId, skipTrial }: Chosen) {
  return answer(api.POST("/subscriptions", { body: { customerId, planId, ...(priceId && { priceId }), ...(skipTrial && { skipTrial }) } }));
}

export function PlanForm({ submit, close, busy, error }: { submit: (chosen: Chosen) => void; close: () => void; busy: boolean; error: Error | null }) {
  const plans = useAllPlans();
  const [chosen, setChosen] = useState<Chosen>({ planId: "", priceId: "", skipTrial: false });
  const price = plans.data?.find(({ id }) => id === chosen.planId)?.prices.find(({ id }) => id === chosen.priceId);
  if (!plans.data) return plans.error ? <Problem error={plans.error} again={() => void plans.refetch()} /> : <Waiting />;
  if (plans.data.length === 0)
    return (
      <Empty title="There are no plans yet.">
        <Link to="/plans" search={{ new: "yes" }}>
          Make one
        </Link>
      </Empty>
    );
  return (
    <form
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        submit(chosen);
      }}
    >
      <Stack>
        <Choice plans={plans.data} {...chosen} set={(planId, priceId) => setChosen({ ...chosen, planId, priceId })} />
        {price && price.trialDays > 0 && (
          <Checkbox label="Without the trial" checked={chosen.skipTrial} onChange={(event) => setChosen({ ...chosen, skipTrial: event.currentTarget.checked })} />
        )}
        {error && <Problem error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" disabled={!chosen.planId} loading={busy}>
            Subscribe
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
