/* Merging says what moves and where to, before it is done. */
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Confirm } from "../ui/Confirm";
import { Problem, Waiting } from "../ui/parts";
import { TYPING_MS, useCustomers } from "./customer";
import { merge, unmerge, useMerged, useMoving, type Named } from "./duplicate";

const called = ({ fullName, email, externalId, id }: Named) => [fullName, email, externalId ?? id].filter(Boolean).join(", ");

function Question({ into, from, swap, close, then }: { into: Named; from: Named; swap: () => void; close: () => void; then: (into: string) => void }) {
  const moving = useMoving(from.id);
  const run = useMutation({
    mutationFn: () => merge(into.id, from.id),
    onSuccess: () => {
      notifications.show({ title: "Merged", message: "It can be undone within 30 days, on the customer's page." });
      then(into.id);
    },
  });
  const [moved, kept] = [called(from), called(into)];
  return (
    <Stack>
      <dl className="facts">
        <dt>Is merged</dt>
        <dd>{moved}</dd>
        <dt>Stays</dt>
        <dd>{kept}</dd>
      </dl>
      <div>
        <Text size="sm">What moves to the one who stays:</Text>
        {moving.error && <Problem error={moving.error} again={() => void moving.refetch()} />}
        {moving.isLoading && <Waiting lines={2} />}
        {moving.data && (
          <ul>
            <li>Subscriptions: {moving.data.subscriptions}</li>
            <li>Invoices: {moving.data.invoices}</li>
            <li>Credit, if there is any</li>
            <li>
              Its ids: <code>{from.id}</code>
              {from.externalId !== null && (
                <>
                  {" "}
                  and <code>{from.externalId}</code>
                </>
              )}{" "}
              lead to the one who stays
            </li>
          </ul>
        )}
        <Text size="sm">
          The name, addresses and metadata of the one who stays do not change. Lists and exports leave the other one out. This can be undone within 30 days.
        </Text>
      </div>
      {run.error && <Problem error={run.error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        <Button variant="default" onClick={() => (run.reset(), swap())}>
          Keep the other one
        </Button>
        <Button onClick={() => run.mutate()} loading={run.isPending} disabled={!moving.data}>
          Merge them
        </Button>
      </Group>
    </Stack>
  );
}

/** Asks before one of two is merged into the other. */
export function MergeTwo({ into, from, close, then }: { into: Named; from: Named; close: () => void; then: (into: string) => void }) {
  const [swapped, setSwapped] = useState(false);
  return (
    <Modal opened onClose={close} title="Merge these two customers?">
      <Question into={swapped ? from : into} from={swapped ? into : from} swap={() => setSwapped(!swapped)} close={close} then={then} />
    </Modal>
  );
}

export function Undo({ id, called, then }: { id: string; called: string; then?: () => void }) {
  const navigate = useNavigate();
  return (
    <Confirm
      button="Undo the merge"
      title="Undo this merge?"
      act={async () => {
        const own = await unmerge(id);
        then?.();
        await navigate({ to: "/customers/$id", params: { id: own } });
      }}
    >
      {called} is a customer of its own again, with the subscriptions that moved, all their invoices, and as much of the credit as is left.
    </Confirm>
  );
}

function Merged({ id, close }: { id: string; close: () => void }) {
  const merged = useMerged(id);
  if (!merged.data) return merged.error ? <Problem error={merged.error} again={() => void merged.refetch()} /> : <Waiting lines={2} />;
  if (merged.data.length === 0) return null;
  return (
    <section aria-labelledby="merged">
      <h2 id="merged">Merged into this one</h2>
      <ul className="plain">
        {merged.data.map((one) => (
          <li key={one.id}>
            <span className="grow">{called(one)}</span>
            <Undo id={one.id} called={called(one)} then={close} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** From a customer's page: whom to merge, and who was. */
export function MergeWith({ customer, close }: { customer: Named; close: () => void }) {
  const [q, setQ] = useState("");
  const [from, setFrom] = useState<Named | null>(null);
  const navigate = useNavigate();
  const later = useDebouncedCallback(setQ, TYPING_MS);
  const found = useCustomers({ q: q || customer.email });
  const others = found.data?.data.filter(({ id }) => id !== customer.id).slice(0, 8) ?? [];
  if (from)
    return (
      <MergeTwo
        into={customer}
        from={from}
        close={close}
        then={(into) => {
          close();
          void navigate({ to: "/customers/$id", params: { id: into } });
        }}
      />
    );
  return (
    <Modal opened onClose={close} title="Merge">
      <Stack>
        <TextInput
          label="The other customer"
          description="At first, those who are found by the same e-mail address."
          placeholder="Name, e-mail address, external id, tax document"
          type="search"
          maxLength={200}
          data-autofocus
          onChange={(event) => later(event.currentTarget.value.trim())}
        />
        {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
        {found.isLoading && <Waiting lines={2} />}
        {found.data && others.length === 0 && <Text size="sm">Nobody else was found.</Text>}
        <ul className="plain" aria-label="Customers found">
          {others.map((one) => (
            <li key={one.id}>
              <span className="grow">{called(one)}</span>
              <Button size="compact-sm" variant="default" onClick={() => setFrom(one)}>
                Choose
              </Button>
            </li>
          ))}
        </ul>
        <Merged id={customer.id} close={close} />
      </Stack>
    </Modal>
  );
}
