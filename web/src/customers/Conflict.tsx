/* Somebody else changed the customer in between: both states are shown, and one chooses. Nothing is overwritten unseen. */
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { ApiError } from "../api/client";

export const isConflict = (error: Error | null) => error instanceof ApiError && error.code === "precondition_failed";

export function Conflict(given: { theirs: string; mine: string; takeTheirs: () => void; saveMine: () => void; busy: boolean }) {
  return (
    <Alert color="yellow" role="alert" title="Somebody changed this customer while you were editing. Nothing of yours was saved yet.">
      <Stack gap="xs">
        <Text size="sm">
          Now: <ins className="theirs">{given.theirs || "nothing"}</ins>
        </Text>
        <Text size="sm">
          Yours: <b>{given.mine || "nothing"}</b>
        </Text>
        <Group gap="xs">
          <Button size="compact-sm" variant="default" onClick={given.takeTheirs}>
            Keep what is there now
          </Button>
          <Button size="compact-sm" onClick={given.saveMine} loading={given.busy}>
            Save yours
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}
