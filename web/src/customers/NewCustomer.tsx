import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { faultOf, Problem, useOpening } from "../ui/parts";
import { create, refresh } from "./customer";

const FIELDS = [
  { name: "email", label: "E-mail address", type: "email", required: true, description: undefined },
  { name: "fullName", label: "Name", type: "text", required: false, description: undefined },
  { name: "externalId", label: "External id", type: "text", required: false, description: "Your own id of this customer. No two have the same." },
] as const;

export function NewCustomer({ opened, close }: { opened: boolean; close: () => void }) {
  const [values, setValues] = useState({ email: "", fullName: "", externalId: "" });
  const navigate = useNavigate();
  const make = useMutation({
    mutationFn: () =>
      create({
        email: values.email,
        ...(values.fullName && { fullName: values.fullName }),
        ...(values.externalId && { externalId: values.externalId }),
      }),
    onSuccess: async ({ customer, existed }) => {
      if (existed) notifications.show({ title: "Nothing was made", message: "There is a customer with this external id already: this one." });
      await refresh();
      setValues({ email: "", fullName: "", externalId: "" });
      await navigate({ to: "/customers/$id", params: { id: customer.id } });
    },
  });
  useOpening(opened, make.reset);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  const named = FIELDS.some(({ name }) => faultOf(make.error, name));
  return (
    <Modal opened={opened} onClose={close} title="New customer">
      <form onSubmit={submit} noValidate>
        <Stack>
          {FIELDS.map(({ name, label, type, required, description }, at) => (
            <TextInput
              key={name}
              label={label}
              type={type}
              required={required}
              description={description}
              data-autofocus={at === 0 ? true : undefined}
              autoComplete="off"
              value={values[name]}
              error={faultOf(make.error, name)}
              onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
            />
          ))}
          {make.error && !named && <Problem error={make.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={make.isPending}>
              Create
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
