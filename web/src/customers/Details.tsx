/* The members of a customer, each edited where it stands. A change counts only for the state that was seen. */
import { Button, Group, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState, type FormEvent, type KeyboardEvent, type ReactNode } from "react";
import type { CustomerUpdate } from "../api/schema";
import type { Address } from "../api/types";
import { faultOf, Id, Moment, None, Problem } from "../ui/parts";
import { Conflict, isConflict } from "./Conflict";
import { change, fetchCustomer, refresh, type Shown } from "./customer";

const TIMEZONES = [
  "UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "America/Mexico_City",
  "America/Buenos_Aires", "America/Santiago", "America/Bogota", "America/Lima", "America/Asuncion", "Europe/London", "Europe/Paris",
  "Europe/Berlin", "Europe/Madrid", "Asia/Tokyo", "Asia/Shanghai", "Asia/Singapore", "Asia/Dubai", "Australia/Sydney",
] as const;

/** Saves with the tag that was seen; after a conflict knows what is there now, and can save over it. */
export function useSave<V>(id: string, save: (value: V, etag: string) => Promise<unknown>, then: () => void) {
  const [now, setNow] = useState<Shown | null>(null);
  const run = useMutation({
    mutationFn: async ({ value, etag }: { value: V; etag: string }) => {
      try {
        await save(value, etag);
      } catch (failure) {
        if (isConflict(failure as Error)) setNow(await fetchCustomer(id));
        throw failure;
      }
    },
    onSuccess: async () => {
      await refresh(id);
      setNow(null);
      then();
    },
  });
  const stop = () => {
    run.reset();
    setNow(null);
    void refresh(id);
    then();
  };
  return { run, now: isConflict(run.error) ? now : null, stop };
}

interface FieldKind {
  name: "email" | "fullName" | "externalId" | "taxDocument" | "timezone";
  label: string;
  required?: boolean;
  choices?: readonly string[];
}

const FIELDS: FieldKind[] = [
  { name: "email", label: "E-mail address", required: true },
  { name: "fullName", label: "Name" },
  { name: "externalId", label: "External id" },
  { name: "taxDocument", label: "Tax document" },
  { name: "timezone", label: "Time zone", choices: TIMEZONES },
];

function Field({ shown, kind, editable }: { shown: Shown; kind: FieldKind; editable: boolean }) {
  const { customer } = shown;
  const value = customer[kind.name] ?? "";
  const [text, setText] = useState<string | null>(null);
  /* The state that is edited: later ones of the page do not slip in below. */
  const etag = useRef("");
  const button = useRef<HTMLButtonElement>(null);
  const leave = () => {
    setText(null);
    setTimeout(() => button.current?.focus());
  };
  const { run, now, stop } = useSave<string>(customer.id, (mine, tag) => change(customer.id, { [kind.name]: mine } as CustomerUpdate, tag), leave);
  const begin = () => {
    etag.current = shown.etag;
    run.reset();
    setText(value);
  };
  const save = (event?: FormEvent) => {
    event?.preventDefault();
    if (text === null) return;
    if (text === value) leave();
    else run.mutate({ value: text, etag: now?.etag ?? etag.current });
  };
  const escape = (event: KeyboardEvent) => {
    if (event.key === "Escape") stop();
  };
  if (text === null)
    return (
      <>
        <dt>{kind.label}</dt>
        <dd>
          <span className="grow">{value === "" ? <None /> : value}</span>
          {kind.name === "taxDocument" && customer.documentType && <span className="none">{customer.documentType}</span>}
          {editable && (
            <Button ref={button} size="compact-sm" variant="subtle" onClick={begin} aria-label={`Edit ${kind.label}`}>
              Edit
            </Button>
          )}
        </dd>
      </>
    );
  const shared = {
    className: "grow",
    "aria-label": kind.label,
    autoFocus: true,
    value: text,
    onKeyDown: escape,
    error: now ? undefined : faultOf(run.error, kind.name),
  };
  return (
    <>
      <dt>{kind.label}</dt>
      <dd>
        <Stack gap="xs" className="grow">
          <form onSubmit={save} noValidate>
            <Group gap="xs" wrap="nowrap" align="start">
              {kind.choices ? (
                <NativeSelect {...shared} data={[...kind.choices]} onChange={(event) => setText(event.currentTarget.value)} />
              ) : (
                <TextInput {...shared} required={kind.required} onChange={(event) => setText(event.currentTarget.value)} />
              )}
              {!now && (
                <Button type="submit" loading={run.isPending}>
                  Save
                </Button>
              )}
              <Button variant="default" onClick={stop}>
                Cancel
              </Button>
            </Group>
          </form>
          {now && (
            <Conflict theirs={now.customer[kind.name] ?? ""} mine={text} takeTheirs={stop} saveMine={() => save()} busy={run.isPending} />
          )}
          {run.error && !now && !faultOf(run.error, kind.name) && <Problem error={run.error} />}
        </Stack>
      </dd>
    </>
  );
}

const LINES: { name: keyof Address; label: string; required?: boolean }[] = [
  { name: "line1", label: "Street", required: true },
  { name: "line2", label: "Street, second line" },
  { name: "postalCode", label: "Postal code", required: true },
  { name: "city", label: "City", required: true },
  { name: "state", label: "State" },
  { name: "region", label: "Region" },
  { name: "country", label: "Country (two letters)", required: true },
];

type Lines = Partial<Record<keyof Address, string>>;
const written = (address: Address | null) =>
  address ? [address.line1, address.line2, `${address.postalCode} ${address.city}`, address.state, address.region, address.country].filter(Boolean).join(", ") : "";

function AddressField({ shown, editable }: { shown: Shown; editable: boolean }) {
  const { customer } = shown;
  const [lines, setLines] = useState<Lines | null>(null);
  const etag = useRef("");
  const leave = () => setLines(null);
  const { run, now, stop } = useSave<Lines>(
    customer.id,
    (mine, tag) => {
      const kept = Object.fromEntries(Object.entries(mine).filter(([, value]) => value !== "")) as unknown as Address;
      return change(customer.id, { address: Object.keys(kept).length > 0 ? kept : {} }, tag);
    },
    leave,
  );
  const save = (event?: FormEvent) => {
    event?.preventDefault();
    if (lines) run.mutate({ value: lines, etag: now?.etag ?? etag.current });
  };
  const named = LINES.some(({ name }) => faultOf(run.error, `address.${name}`));
  return (
    <>
      <dt>Address</dt>
      <dd>
        {lines === null ? (
          <>
            <span className="grow">{written(customer.address) || <None />}</span>
            {editable && (
              <Button
                size="compact-sm"
                variant="subtle"
                aria-label="Edit Address"
                onClick={() => {
                  etag.current = shown.etag;
                  run.reset();
                  setLines({ ...(customer.address ?? {}) } as Lines);
                }}
              >
                Edit
              </Button>
            )}
          </>
        ) : (
          <form className="grow" onSubmit={save} noValidate onKeyDown={(event) => event.key === "Escape" && stop()}>
            <Stack gap="xs">
              {LINES.map(({ name, label, required }, at) => (
                <TextInput
                  key={name}
                  label={label}
                  required={required}
                  autoFocus={at === 0}
                  value={lines[name] ?? ""}
                  error={now ? undefined : faultOf(run.error, `address.${name}`)}
                  onChange={(event) => setLines({ ...lines, [name]: event.currentTarget.value })}
                />
              ))}
              {now && (
                <Conflict
                  theirs={written(now.customer.address)}
                  mine={written(lines as Address)}
                  takeTheirs={stop}
                  saveMine={() => save()}
                  busy={run.isPending}
                />
              )}
              {run.error && !now && !named && <Problem error={run.error} />}
              <Group gap="xs">
                {!now && (
                  <Button type="submit" loading={run.isPending}>
                    Save
                  </Button>
                )}
                <Button variant="default" onClick={stop}>
                  Cancel
                </Button>
              </Group>
            </Stack>
          </form>
        )}
      </dd>
    </>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </>
  );
}

export function Details({ shown, editable }: { shown: Shown; editable: boolean }) {
  const { customer } = shown;
  return (
    <dl className="facts">
      {FIELDS.map((kind) => (
        <Field key={kind.name} shown={shown} kind={kind} editable={editable} />
      ))}
      <AddressField shown={shown} editable={editable} />
      <Fact label="Id">
        <Id id={customer.id} />
      </Fact>
      <Fact label="Created">
        <Moment at={customer.createdAt} />
      </Fact>
      <Fact label="Changed">
        <Moment at={customer.updatedAt} />
      </Fact>
    </dl>
  );
}
