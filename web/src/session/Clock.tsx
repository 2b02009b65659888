/* The clock of a sandbox: where it stands, and forward. */
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { api, data } from "../api/client";
import { queries } from "../api/query";
import type { TestClock } from "../api/types";
import { numberOf } from "../ui/number";
import { faultOf, Moment, Problem } from "../ui/parts";
import { useMay } from "./session";

const isMoving = (clock: TestClock | undefined) => clock?.latestRun?.status === "pending" || clock?.latestRun?.status === "running";
/* How often a clock that moves is read. */
const MOVING_MS = 500;

const refreshAll = () => queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });

export function Clock() {
  const may = useMay();
  const [days, setDays] = useState<string | null>(null);
  const clock = useQuery({
    queryKey: ["clock"],
    queryFn: ({ signal }) => data(api.GET("/test-clock", { signal })),
    refetchInterval: ({ state }) => (isMoving(state.data) ? MOVING_MS : false),
  });
  const moving = isMoving(clock.data);
  const latest = clock.data?.latestRun;
  const moved = useRef(false);
  useEffect(() => {
    if (moved.current && !moving) void refreshAll(); // what was due is done
    moved.current = moving;
  }, [moving]);
  const run = useMutation({
    mutationFn: (advanceDays: number) => data(api.POST("/test-clock", { body: { advanceDays } })),
    onSuccess: async () => {
      setDays(null);
      await queries.invalidateQueries({ queryKey: ["clock"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run.mutate(numberOf(days ?? ""));
  };
  if (!clock.data) return null;
  return (
    <>
      <Text size="sm" className="wide">
        {clock.data.isActive ? "Test clock: " : "Its clock is the real one"}
        {clock.data.isActive && <Moment at={clock.data.now} />}
        {moving && `, ${latest?.completedDeadlineCount ?? 0} due things done so far`}
        {latest?.status === "failed" && `, it stopped: ${latest.error ?? "something that was due failed"}`}
      </Text>
      {may.write && (
        <Button size="compact-sm" variant="default" loading={moving} onClick={() => (run.reset(), setDays("30"))}>
          Set the clock forward
        </Button>
      )}
      <Modal opened={days !== null} onClose={() => setDays(null)} title="Set the clock of this sandbox forward">
        <form onSubmit={submit} noValidate>
          <Stack>
            <Text size="sm">
              All that is due by then is done, in its order: renewals, ends of trials, cancellations. The clock does not go back.
            </Text>
            <TextInput
              label="Days"
              inputMode="numeric"
              data-autofocus
              value={days ?? ""}
              error={faultOf(run.error, "advanceDays")}
              onChange={(event) => setDays(event.currentTarget.value)}
            />
            {run.error && !faultOf(run.error, "advanceDays") && <Problem error={run.error} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setDays(null)}>
                Cancel
              </Button>
              <Button type="submit" loading={run.isPending}>
                Forward
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
