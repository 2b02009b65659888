/* The prices of a plan, and the form in which one is made or changed. */
import { Button, Group, Modal, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "../api/client";
import type { PriceCreate } from "../api/schema";
import type { Plan } from "../api/types";
import { useCurrency } from "../invoices/Invoices";
import { interval } from "../subscriptions/Plan";
import { numberOf } from "../ui/number";
import { faultOf, Money, Problem } from "../ui/parts";
import { refresh } from "./plan";

type Price = Plan["prices"][number];
const INTERVALS: PriceCreate["billingInterval"][] = ["weekly", "monthly", "quarterly", "semiannual", "yearly", "one_time"];
const NUMBERS = ["price", "trialDays", "includedBalance", "includedCredits"] as const;

export type PriceText = Record<(typeof NUMBERS)[number], string> & { billingInterval: PriceCreate["billingInterval"] };
export const NO_PRICE: PriceText = { billingInterval: "monthly", price: "", trialDays: "", includedBalance: "", includedCredits: "" };

/** Only what is another than before. A number that was emptied is none; a price there must be. */
const numbers = (values: PriceText, before: PriceText) =>
  Object.fromEntries(
    NUMBERS.filter((name) => values[name].trim() !== before[name]).map((name) => [name, values[name].trim() === "" && name !== "price" ? 0 : numberOf(values[name])]),
  );

// never: the description forbids some members, which TypeScript cannot say of an object that is put together.
export function addPrice(id: string, values: PriceText) {
  const body = { billingInterval: values.billingInterval, ...numbers(values, NO_PRICE) };
  return data(api.POST("/plans/{id}/prices", { params: { path: { id } }, body: body as never }));
}

export const isNamed = (error: Error | null) => NUMBERS.some((field) => faultOf(error, field));

export function PriceFields(given: { values: PriceText; set: (values: PriceText) => void; error: Error | null; fixed?: boolean; included?: boolean }) {
  const { values, set, error } = given;
  const field = (name: (typeof NUMBERS)[number]) => ({
    inputMode: "numeric" as const,
    value: values[name],
    error: faultOf(error, name),
    onChange: (event: { currentTarget: { value: string } }) => set({ ...values, [name]: event.currentTarget.value }),
  });
  return (
    <>
      {!given.fixed && (
        <NativeSelect label="Interval" value={values.billingInterval} onChange={(event) => set({ ...values, billingInterval: event.currentTarget.value as PriceText["billingInterval"] })}>
          {INTERVALS.map((one) => (
            <option key={one} value={one}>
              {interval(one)}
            </option>
          ))}
        </NativeSelect>
      )}
      <TextInput label="Price" description="In the smallest unit of the currency: 4900 is 49.00." required {...field("price")} />
      <TextInput label="Days of trial" {...field("trialDays")} />
      {given.included && (
        <>
          <TextInput label="Included balance" description="In 1/10,000 of the smallest unit of the currency." {...field("includedBalance")} />
          <TextInput label="Included credits" {...field("includedCredits")} />
        </>
      )}
    </>
  );
}

/** A button, and the dialog that it opens: a new price, or one that there is. Its interval stays. */
export function PriceForm({ plan, price, button, label }: { plan: Plan; price?: Price; button: string; label: string }) {
  const [values, setValues] = useState<PriceText | null>(null);
  const before: PriceText = { ...NO_PRICE, ...(price && Object.fromEntries(NUMBERS.map((name) => [name, String(price[name] ?? "")]))) };
  const run = useMutation({
    mutationFn: (mine: PriceText) =>
      price
        ? data(api.PATCH("/plans/{id}/prices/{priceId}", { params: { path: { id: plan.id, priceId: price.id } }, body: numbers(mine, before) }))
        : addPrice(plan.id, mine),
    onSuccess: async () => {
      setValues(null);
      await refresh();
    },
  });
  const begin = () => {
    run.reset();
    setValues(before);
  };
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={begin} aria-label={label} disabled={plan.isFree}>
        {button}
      </Button>
      <Modal opened={values !== null} onClose={() => setValues(null)} title={price ? `The ${interval(price.billingInterval)} price of ${plan.name}` : `A price of ${plan.name}`}>
        {values && (
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              run.mutate(values);
            }}
          >
            <Stack>
              <PriceFields values={values} set={setValues} error={run.error} fixed={price !== undefined} included />
              {run.error && !isNamed(run.error) && <Problem error={run.error} />}
              <Group justify="flex-end">
                <Button variant="default" onClick={() => setValues(null)}>
                  Cancel
                </Button>
                <Button type="submit" loading={run.isPending}>
                  {price ? "Save" : "Add"}
                </Button>
              </Group>
            </Stack>
          </form>
        )}
      </Modal>
    </>
  );
}

export function Prices({ plan }: { plan: Plan }) {
  const currency = useCurrency();
  if (plan.isFree) return <>free</>;
  if (plan.prices.length === 0) return <span className="none">no price yet</span>;
  return (
    <>
      {plan.prices.map((price) => (
        <div key={price.id} className="price">
          <Money amount={price.price} currency={currency} /> {interval(price.billingInterval)}
          {price.trialDays > 0 && `, ${price.trialDays} days of trial`}
          {price.isDefault && plan.prices.length > 1 && " (default)"}
        </div>
      ))}
    </>
  );
}
