import { Button, Group, Menu, Modal, NativeSelect, Progress, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback, useLocalStorage } from "@mantine/hooks";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { ApiError } from "../api/client";
import type { Customer } from "../api/types";
import { useAllPlans } from "../plans/plan";
import { useMay } from "../session/session";
import { Sign } from "../ui/Sign";
import { CustomerLink, Empty, Head, Moment, None, Problem, Waiting } from "../ui/parts";
import { Pages, Rows, type Column, type Selection } from "../ui/Rows";
import { archive, ARCHIVED, isFiltered, refresh, SORTS, STATUSES, TYPING_MS, useCount, useCustomers, type Search } from "./customer";
import { NewCustomer } from "./NewCustomer";
import { Views } from "./Views";

const route = getRouteApi("/shell/customers");

/* Requests at a time when something is done to many customers. */
const AT_ONCE = 4;

/* Loaded when somebody assigns a plan, which few do here. */
const PlanForm = lazy(async () => ({ default: (await import("../subscriptions/Plan")).PlanForm }));

/* Likewise. */
const Export = lazy(async () => ({ default: (await import("./Export")).Export }));

const COLUMNS: Column<Customer>[] = [
  { key: "email", title: "E-mail address", show: (c) => <CustomerLink id={c.id}>{c.email}</CustomerLink> },
  { key: "fullName", title: "Name", show: (c) => c.fullName ?? <None /> },
  { key: "externalId", title: "External id", wide: true, show: (c) => c.externalId ?? <None /> },
  { key: "createdAt", title: "Created", wide: true, show: (c) => <Moment at={c.createdAt} /> },
  { key: "updatedAt", title: "Changed", wide: true, show: (c) => <Moment at={c.updatedAt} /> },
  { key: "taxDocument", title: "Tax document", wide: true, show: (c) => c.taxDocument ?? <None /> },
  { key: "timezone", title: "Time zone", wide: true, show: (c) => c.timezone },
  { key: "id", title: "Id", wide: true, show: (c) => c.id },
];
const SHOWN = ["email", "fullName", "externalId", "createdAt"];

function SearchField({ q, go }: { q: string; go: (q: string) => void }) {
  const [text, setText] = useState(q);
  /* What was sent and has not come back in the address: while one types, that is behind. All else there is the back button, or a view. */
  const sent = useRef<string[]>([]);
  const later = useDebouncedCallback((typed: string) => {
    sent.current.push(typed);
    go(typed);
  }, TYPING_MS);
  useEffect(() => {
    const at = sent.current.indexOf(q);
    sent.current = at < 0 ? [] : sent.current.slice(at + 1);
    if (at < 0) setText(q);
  }, [q]);
  return (
    <TextInput
      className="search"
      label="Search"
      placeholder="Name, e-mail or id"
      type="search"
      maxLength={200}
      data-search
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        later(event.currentTarget.value);
      }}
    />
  );
}

function Filters({ search, go }: { search: Search; go: (change: Search) => void }) {
  const plans = useAllPlans();
  return (
    <>
      <NativeSelect label="Subscription" value={search.status ?? ""} onChange={(event) => go({ status: event.currentTarget.value })}>
        <option value="">Any</option>
        {STATUSES.map((status) => (
          <option key={status} value={status}>
            {status.replaceAll("_", " ")}
          </option>
        ))}
      </NativeSelect>
      {((plans.data?.length ?? 0) > 0 || search.plan) && (
        <NativeSelect label="Plan" value={search.plan ?? ""} onChange={(event) => go({ plan: event.currentTarget.value })}>
          <option value="">Any</option>
          {search.plan && !plans.data?.some(({ code }) => code === search.plan) && <option value={search.plan}>{search.plan}</option>}
          {plans.data?.map(({ code, name }) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </NativeSelect>
      )}
      <NativeSelect
        label="Archived"
        value={search.archived ?? "false"}
        onChange={(event) => go({ archived: event.currentTarget.value === "false" ? "" : event.currentTarget.value })}
        data={Object.entries(ARCHIVED).map(([value, label]) => ({ value, label }))}
      />
      <NativeSelect
        label="Order"
        value={search.sort ?? "-createdAt"}
        onChange={(event) => go({ sort: event.currentTarget.value === "-createdAt" ? "" : event.currentTarget.value })}
        data={Object.entries(SORTS).map(([value, label]) => ({ value, label }))}
      />
    </>
  );
}

function ColumnMenu({ shown, set }: { shown: string[]; set: (keys: string[]) => void }) {
  return (
    <Menu closeOnItemClick={false}>
      <Menu.Target>
        <Button variant="default" rightSection={<Sign name="menu" />}>Columns</Button>
      </Menu.Target>
      <Menu.Dropdown>
        {COLUMNS.slice(1).map(({ key, title }) => (
          <Menu.CheckboxItem
            key={key}
            checked={shown.includes(key)}
            onChange={(on) => set(on ? [...shown, key] : shown.filter((one) => one !== key))}
          >
            {title}
          </Menu.CheckboxItem>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

interface Run {
  what: string;
  done: number;
  of: number;
  failed: { id: string; error: Error }[];
}

/** Does something to one after the other, a few at a time; what fails is said and stays selected. */
function Bulk({ selection, then }: { selection: Selection; then: (failed: string[]) => void }) {
  const [run, setRun] = useState<Run | null>(null);
  const [assigning, setAssigning] = useState(false);
  const ids = [...selection.ids];
  const busy = run !== null && run.done < run.of;
  const begin = async (what: string, act: (id: string) => Promise<unknown>) => {
    const now: Run = { what, done: 0, of: ids.length, failed: [] };
    const left = [...ids];
    setRun({ ...now });
    const work = async () => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        try {
          await act(id);
        } catch (error) {
          now.failed.push({ id, error: error as Error });
        }
        now.done++;
        setRun({ ...now });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await Promise.all([refresh(), ...ids.map((id) => refresh(id))]);
    then(now.failed.map(({ id }) => id));
  };
  return (
    <div>
      <Group mb="sm" role="status">
        {ids.length > 0 && (
          <>
            <Text>{ids.length} selected</Text>
            <Button variant="default" onClick={() => void begin("archived", (id) => archive(id))} loading={busy}>
              Archive
            </Button>
            <Button variant="default" onClick={() => setAssigning(true)} disabled={busy}>
              Assign a plan
            </Button>
            <Button variant="subtle" onClick={() => selection.all(ids, false)} disabled={busy}>
              Clear
            </Button>
          </>
        )}
        {run && !busy && (
          <Text>
            {run.of - run.failed.length} {run.what}
            {run.failed.length > 0 && `, ${run.failed.length} not`}
          </Text>
        )}
      </Group>
      {busy && <Progress value={(100 * run.done) / run.of} mb="sm" aria-label="Progress" />}
      {!busy &&
        run?.failed.slice(0, 3).map(({ id, error }) => (
          <div key={id}>
            <CustomerLink id={id} />
            <Problem error={error} />
          </div>
        ))}
      <Modal opened={assigning} onClose={() => setAssigning(false)} title={ids.length === 1 ? "Assign a plan to one customer" : `Assign a plan to ${ids.length} customers`}>
        <Suspense fallback={<Waiting />}>
          <PlanForm
            submit={(chosen) => {
              setAssigning(false);
              void import("../subscriptions/Plan").then(({ subscribe }) => begin("subscribed", (id) => subscribe(id, chosen)));
            }}
            close={() => setAssigning(false)}
            busy={false}
            error={null}
          />
        </Suspense>
      </Modal>
    </div>
  );
}

function useSelection(): [Selection, (ids: string[]) => void] {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const all = (some: string[], on: boolean) =>
    setIds((before) => {
      const after = new Set(before);
      for (const id of some) if (on) after.add(id);
      else after.delete(id);
      return after;
    });
  return [{ ids, toggle: (id) => all([id], !ids.has(id)), all }, (some) => setIds(new Set(some))];
}

const curl = `curl ORIGIN/api/v1/customers -H "x-api-key: $KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"email":"ada@example.com","fullName":"Ada King","externalId":"user_42"}'`;

export function CustomersPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const page = useCustomers(search);
  const count = useCount(search).data;
  const [shown, setShown] = useLocalStorage({ key: "clientele-customer-columns", defaultValue: SHOWN });
  const [selection, select] = useSelection();
  /* Another question has another first page. */
  const go = (change: Search, replace = false) =>
    void navigate({ search: (before) => ({ ...before, cursor: undefined, ...change }), replace, resetScroll: false });
  const open = (on: boolean) => void navigate({ search: (before) => ({ ...before, new: on ? "yes" : undefined }) });
  const openExport = (on: boolean) => void navigate({ search: (before) => ({ ...before, export: on ? "yes" : undefined }), resetScroll: false });
  const rows = page.data?.data ?? [];
  const asked = isFiltered(search) || search.cursor;
  return (
    <>
      <Head title="Customers">
        {count !== undefined && <Text className="found" c="dimmed">{count} found</Text>}
        {may.write && (
          <Button variant="default" renderRoot={(props) => <Link to="/imports" {...props} />}>
            Import
          </Button>
        )}
        <Button variant="default" onClick={() => openExport(true)}>
          Export
        </Button>
        {may.write && (
          <Button data-new onClick={() => open(true)}>
            New customer
          </Button>
        )}
      </Head>
      <div className="bar" role="search">
        <SearchField q={search.q ?? ""} go={(q) => go({ q }, search.q !== undefined && q !== "")} />
        <Filters search={search} go={go} />
        <ColumnMenu shown={shown} set={setShown} />
        <Views
          search={search}
          columns={shown}
          show={(saved, columns) => {
            setShown(columns);
            void navigate({ search: saved });
          }}
        />
      </div>
      {may.write && <Bulk selection={selection} then={select} />}
      {page.error && !(page.error instanceof ApiError && page.error.code === "signed_out") && (
        <Problem error={page.error} again={() => void page.refetch()} />
      )}
      {page.isLoading && <Waiting lines={8} />}
      {page.data && rows.length === 0 && !asked && (
        <Empty title="No customers yet" curl={curl}>
          <Text size="sm">A customer has an e-mail address, and may have an id of your own, by which it is found from then on.</Text>
          {may.write && (
            <Text size="sm">
              <Link to="/imports">A file of customers can be imported.</Link>
            </Text>
          )}
        </Empty>
      )}
      {page.data && rows.length === 0 && asked && (
        <Empty title="Nothing was found">
          <Text size="sm" mb="sm">
            No customer fits all of the search and the filters.
          </Text>
          <Button variant="default" onClick={() => void navigate({ search: {} })}>
            Show all customers
          </Button>
        </Empty>
      )}
      {rows.length > 0 && (
        <Rows
          caption="Customers"
          rows={rows}
          columns={COLUMNS.filter(({ key }, at) => at === 0 || shown.includes(key))}
          selection={may.write ? selection : undefined}
          name={(row) => row.email}
        />
      )}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: (before) => ({ ...before, cursor }) })} />
      {search.export === "yes" && (
        <Suspense>
          <Export search={search} count={count} close={() => openExport(false)} />
        </Suspense>
      )}
      {may.write && <NewCustomer opened={search.new === "yes"} close={() => open(false)} />}
    </>
  );
}
