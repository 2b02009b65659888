/* Small parts that all pages share. */
import { ActionIcon, Alert, Anchor, Button, Code, CopyButton, Group, Skeleton, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useContext, useEffect, useState, type ReactNode } from "react";
import { ApiError } from "../api/client";
import { SessionContext } from "../session/session";
import { Sign } from "./Sign";

/* Sooner nobody wonders, and what flashes up for a moment is worse than nothing. */
const PATIENCE_MS = 300;

/** Shows its children only when it is still there after a moment. */
export function Later({ children }: { children: ReactNode }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return late ? <>{children}</> : null;
}

export function Waiting({ lines = 4 }: { lines?: number }) {
  return (
    <Later>
      <Stack gap="sm" role="status" aria-label="Loading">
        {Array.from({ length: lines }, (_, i) => (
          <Skeleton key={i} height={18} />
        ))}
      </Stack>
    </Later>
  );
}

export function Copy({ text, what }: { text: string; what: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <ActionIcon variant="subtle" size="md" onClick={copy} aria-label={copied ? `${what} copied` : `Copy ${what}`} title={`Copy ${what}`}>
          <Sign name={copied ? "done" : "copy"} />
        </ActionIcon>
      )}
    </CopyButton>
  );
}

/** An id, with a button that copies it. */
export function Id({ id, what = "the id" }: { id: string; what?: string }) {
  return (
    <Group gap={4} wrap="nowrap">
      <Code>{id}</Code>
      <Copy text={id} what={what} />
    </Group>
  );
}

/** The id of a request, which leads to what the log has of it; in a window of its own where something was typed. */
export function RequestId({ id, away }: { id: string; away?: boolean }) {
  // The log is for those who signed in.
  const session = useContext(SessionContext);
  return (
    <Group gap={4} wrap="nowrap">
      {session ? (
        <Link to="/requests/$id" params={{ id }} title="In the request log" {...(away && { target: "_blank", rel: "noreferrer" })}>
          <Code>{id}</Code>
        </Link>
      ) : (
        <Code>{id}</Code>
      )}
      <Copy text={id} what="the request id" />
    </Group>
  );
}

/** A failure: what it was, what to do, and the request id for whoever runs the service. */
export function Problem({ error, again }: { error: Error; again?: () => void }) {
  const failed = error instanceof ApiError ? error : new ApiError(0, "defect", error.message);
  return (
    <Alert color="red" role="alert" title={failed.message} my="sm">
      <Stack gap={6}>
        {failed.fields.length > 0 && (
          <ul>
            {failed.fields.map((fault) => (
              <li key={fault.field + fault.message}>
                {fault.field} {fault.message}
              </li>
            ))}
          </ul>
        )}
        {failed.retryAfter && <Text size="sm">Try again in {failed.retryAfter} s.</Text>}
        <Group gap="xs">
          <Text size="sm">
            {failed.docUrl ? (
              <Anchor inherit href={failed.docUrl} target="_blank" rel="noreferrer" underline="always">
                {failed.code}
              </Anchor>
            ) : (
              failed.code
            )}
          </Text>
          {failed.requestId && <RequestId id={failed.requestId} away />}
          {again && (
            <Button size="compact-sm" variant="default" onClick={again}>
              Try again
            </Button>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}

/** What a dialog begins with, each time that it is opened. */
export function useOpening(opened: boolean, begin: () => void) {
  useEffect(() => {
    if (opened) begin();
  }, [opened]);
}

/** The fault of a field, if the answer names it. */
export function faultOf(error: Error | null, field: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  return error.fields.find((fault) => fault.field === field)?.message ?? (error.param === field ? error.message : undefined);
}

const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const second = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
/** How exactly a moment is shown; a clock leaves out what day it is when that is today. */
const SHOWN = {
  day,
  minute,
  second,
  clock: { format: (at: Date) => (at.toDateString() === new Date().toDateString() ? clock : second).format(at) },
};

/** A moment in the reader's zone; the exact one when one points at it. */
export function Moment({ at, to }: { at: string | null | undefined; to?: keyof typeof SHOWN }) {
  if (!at) return <span className="none">–</span>;
  return (
    <time dateTime={at} title={`${at} (UTC)`}>
      {SHOWN[to ?? "minute"].format(new Date(at))}
    </time>
  );
}

/** An amount of the currency's smallest unit. Where the currency is not known, the number is shown as it is. */
export function Money({ amount, currency }: { amount: number; currency: string | undefined }) {
  const shown = amount || 0; // -0 is no less
  if (!currency)
    return (
      <span title="In the smallest unit of the currency. The API tells the currency with the first invoice.">
        {shown.toLocaleString()}
      </span>
    );
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency: currency.toUpperCase() });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return <span>{format.format(shown / 10 ** digits)}</span>;
}

const TONES: Record<string, string> = {
  active: "good",
  paid: "good",
  trialing: "good",
  pending_payment: "warn",
  outstanding: "warn",
  past_due: "bad",
  uncollectible: "bad",
  done: "good",
  receiving: "warn",
  queued: "warn",
  running: "warn",
  failed: "bad",
};

export function Status({ status, tone }: { status: string; tone?: "good" | "warn" | "bad" }) {
  return (
    <span className="status" data-tone={tone ?? TONES[status] ?? "rest"}>
      {status.replaceAll("_", " ")}
    </span>
  );
}

export function None() {
  return <span className="none">–</span>;
}

/** What stands where there is nothing yet: how it comes, here and by the API. */
export function Empty({ title, children, curl }: { title: string; children?: ReactNode; curl?: string }) {
  const line = curl?.replaceAll("ORIGIN", location.origin);
  return (
    <div className="empty">
      <Text fw={600}>{title}</Text>
      {children}
      {line && (
        <Stack gap={4} mt="md">
          <Group gap={4}>
            <Text size="sm">With the API:</Text>
            <Copy text={line} what="the command" />
          </Group>
          <pre className="json" tabIndex={0} aria-label="The command">
            {line}
          </pre>
          {line.includes("$KEY") && (
            <Text size="sm">
              <code>$KEY</code> is one of <Link to="/api-keys">your API keys</Link>.
            </Text>
          )}
        </Stack>
      )}
    </div>
  );
}

export function CustomerLink({ id, children }: { id: string; children?: ReactNode }) {
  return (
    <Link to="/customers/$id" params={{ id }}>
      {children ?? id}
    </Link>
  );
}

/** The head of a page, and the title of the window. */
export function Head({ title, children }: { title: string; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Clientele`;
  }, [title]);
  return (
    <div className="head">
      <h1>{title}</h1>
      {children}
    </div>
  );
}
