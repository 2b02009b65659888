import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { Problem, useOpening } from "./parts";

interface Asked {
  /** What is done, in a word or two. */
  button: string;
  title: ReactNode;
  children: ReactNode;
  act: () => Promise<unknown>;
  danger?: boolean;
}

/** Asks before something is done that cannot be taken back, and shows why it could not be done. */
export function Question({ opened, close, button, title, children, act, danger }: Asked & { opened: boolean; close: () => void }) {
  const run = useMutation({ mutationFn: act, onSuccess: close });
  useOpening(opened, run.reset);
  return (
    <Modal opened={opened} onClose={close} title={title}>
      <Stack>
        <Text size="sm" component="div">
          {children}
        </Text>
        {run.error && <Problem error={run.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button data-autofocus color={danger ? "red" : undefined} loading={run.isPending} onClick={() => run.mutate()}>
            {button}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** A button that asks first. */
export function Confirm({ label, ...asked }: Asked & { label?: string }) {
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button size="compact-sm" variant="default" aria-label={label} onClick={() => setOpened(true)}>
        {asked.button}
      </Button>
      <Question opened={opened} close={() => setOpened(false)} {...asked} />
    </>
  );
}
