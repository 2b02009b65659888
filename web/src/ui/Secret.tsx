import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { Copy } from "./parts";

/** What is shown this once. */
export function Secret({ title, text, secret, close }: { title: string; text: string; secret: string | null; close: () => void }) {
  return (
    <Modal opened={secret !== null} onClose={close} title={title} closeOnClickOutside={false}>
      <Stack>
        <Alert color="yellow" title="It is shown this once. Copy it now." />
        <Text size="sm">{text}</Text>
        <Group wrap="nowrap">
          <pre className="json grow" data-secret>
            {secret}
          </pre>
          {secret && <Copy text={secret} what="it" />}
        </Group>
        <Group justify="flex-end">
          <Button data-autofocus onClick={close}>
            I have it
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
