import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { Problem } from "./parts";

/** A button that asks before it does something that cannot be taken back, and shows why it could not be done. */
export function Confirm(given: { button: string; label?: string; title: string; children: ReactNode; act: () => Promise<unknown>; danger?: boolean }) {
  const [opened, setOpened] = useState(false);
  const run = useMutation({ mutationFn: given.act, onSuccess: () => setOpened(false) });
  return (
    <>
      <Button size="compact-sm" variant="default" aria-label={given.label} onClick={() => (run.reset(), setOpened(true))}>
        {given.button}
      </Button>
      <Modal opened={opened} onClose={() => setOpened(false)} title={given.title}>
        <Stack>
          <Text size="sm" component="div">
            {given.children}
          </Text>
          {run.error && <Problem error={run.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpened(false)}>
              Cancel
            </Button>
            <Button data-autofocus color={given.danger ? "red" : undefined} loading={run.isPending} onClick={() => run.mutate()}>
              {given.button}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
