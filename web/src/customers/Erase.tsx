import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { queries } from "../api/query";
import { Problem } from "../ui/parts";
import { erase, refresh, type Shown } from "./customer";

/** Erasing is for good, so one types whom. */
export function Erase({ shown, opened, close }: { shown: Shown; opened: boolean; close: () => void }) {
  const { customer } = shown;
  const [typed, setTyped] = useState("");
  const navigate = useNavigate();
  const run = useMutation({
    mutationFn: () => erase(customer.id, shown.etag),
    onSuccess: async () => {
      notifications.show({ title: "Erased", message: "The customer and all that says who it was are gone." });
      await navigate({ to: "/customers" });
      queries.removeQueries({ queryKey: ["customer", customer.id] });
      queries.removeQueries({ queryKey: ["history", customer.id] });
      await refresh();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed === customer.email) run.mutate();
  };
  return (
    <Modal opened={opened} onClose={close} title="Erase this customer">
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">
            The customer is gone for good, with its name, addresses, metadata and history. A subscription is canceled at once, and what is
            outstanding of it is void. Invoices stay, without the customer. To keep everything and only put it aside, archive the customer.
          </Text>
          <TextInput
            label={`To erase, type ${customer.email}`}
            autoComplete="off"
            data-autofocus
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          {run.error && <Problem error={run.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" color="red" disabled={typed !== customer.email} loading={run.isPending}>
              Erase for good
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
