/*
 * The requests of the last hour, and how many customers there are: by month, by the status of their subscription, by plan.
 * The API counts; nothing is fetched to be counted here.
 */
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, data } from "../api/client";
import { STATUSES, type Query } from "../customers/customer";
import { Head, Status } from "../ui/parts";
import { LastHour } from "./LastHour";
import { Section } from "./Section";

const MONTHS = 12;
const PLANS = 20;
/* Counting costs the service something, and nobody looks for the last minute's change. */
const FRESH_MS = 60_000;

interface Count {
  number: number;
  /** There are this many, or more. */
  more: boolean;
}

async function count(query: Query, signal: AbortSignal): Promise<Count> {
  const { count } = await data(api.GET("/customers", { params: { query: { limit: 1, count: "exact", ...query } }, signal }));
  return { number: parseInt(String(count), 10), more: String(count).endsWith("+") };
}

const shown = ({ number, more }: Count) => number.toLocaleString() + (more ? "+" : "");

interface Month {
  begin: Date;
  made: Count;
  /** At its end; without those that were erased since. */
  all: Count;
}

/** The last months, in the reader's zone. What was made after one is taken off the number that there are now. */
async function months(signal: AbortSignal): Promise<Month[]> {
  const today = new Date();
  const begins = Array.from({ length: MONTHS + 1 }, (_, at) => new Date(today.getFullYear(), today.getMonth() - MONTHS + 1 + at, 1));
  const archived = "all" as const;
  const [total, ...made] = await Promise.all([
    count({ archived }, signal),
    ...begins.slice(0, MONTHS).map((begin, at) =>
      count(
        {
          archived,
          createdAfter: new Date(begin.getTime() - 1).toISOString(),
          ...(at < MONTHS - 1 && { createdBefore: (begins[at + 1] as Date).toISOString() }),
        },
        signal,
      ),
    ),
  ]);
  let all = total as Count;
  return made
    .map((one, at) => ({ begin: begins[at] as Date, made: one }))
    .reverse()
    .map((month) => {
      const here = { ...month, all };
      all = { number: Math.max(0, all.number - month.made.number), more: all.more || month.made.more };
      return here;
    })
    .reverse();
}

const monthName = new Intl.DateTimeFormat(undefined, { month: "short" });
const monthAndYear = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric" });

/** One column for each month: what was there before, and on top of it what came. */
function Columns({ rows }: { rows: Month[] }) {
  const top = Math.max(1, ...rows.map(({ all }) => all.number));
  const part = (number: number) => `${(100 * Math.max(0, number)) / top}%`;
  return (
    <div className="plot" aria-hidden>
      {rows.map(({ begin, made, all }) => (
        <div key={begin.toISOString()} title={`${monthAndYear.format(begin)}: ${shown(all)}, ${shown(made)} of them new`}>
          <svg width="100%" height="180">
            <rect className="before" x="10%" width="80%" y={part(top - all.number + made.number)} height={part(all.number - made.number)} />
            <rect className="new" x="10%" width="80%" y={part(top - all.number)} height={part(made.number)} />
          </svg>
          {monthName.format(begin)}
        </div>
      ))}
    </div>
  );
}

function OverTime() {
  const run = useQuery({ queryKey: ["customers", "months"], staleTime: FRESH_MS, queryFn: ({ signal }) => months(signal) });
  const last = run.data?.at(-1);
  return (
    <Section id="months" title="Customers over time" error={run.error} again={() => void run.refetch()} waiting={run.isLoading}>
      {run.data && last && (
        <>
          <p>
            <strong className="figure">{shown(last.all)}</strong> customers, <strong>{shown(last.made)}</strong> of them new this month. Archived ones are counted
            too.
          </p>
          <Columns rows={run.data} />
          <p className="legend" aria-hidden>
            <span className="before">there before</span> <span className="new">new in the month</span>
          </p>
          <details>
            <summary>The numbers</summary>
            <table className="bars">
              <caption>Customers at the end of each month</caption>
              <thead>
                <tr>
                  <th scope="col">Month</th>
                  <th scope="col">New</th>
                  <th scope="col">All</th>
                </tr>
              </thead>
              <tbody>
                {run.data.map(({ begin, made, all }) => (
                  <tr key={begin.toISOString()}>
                    <th scope="row">{monthAndYear.format(begin)}</th>
                    <td className="number">{shown(made)}</td>
                    <td className="number">{shown(all)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </>
      )}
    </Section>
  );
}

interface Bar {
  key: string;
  name: ReactNode;
  count: Count;
}

/** A table whose last column is drawn. */
function Bars({ caption, of, rows }: { caption: string; of: string; rows: Bar[] }) {
  const top = Math.max(1, ...rows.map(({ count }) => count.number));
  return (
    <table className="bars">
      <caption>{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{of}</th>
          <th scope="col">Customers</th>
          <td aria-hidden />
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, count }) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            <td className="number">{shown(count)}</td>
            <td aria-hidden>
              <svg width="100%" height="14">
                <rect className="new" width={`${(100 * count.number) / top}%`} height="14" rx="2" />
              </svg>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ByStatus() {
  const run = useQuery({
    queryKey: ["customers", "by-status"],
    staleTime: FRESH_MS,
    queryFn: ({ signal }) => Promise.all(STATUSES.map(async (status) => ({ status, count: await count({ subscriptionStatus: status }, signal) }))),
  });
  return (
    <Section id="statuses" title="Subscriptions by status" error={run.error} again={() => void run.refetch()} waiting={run.isLoading}>
      {run.data && (
        <Bars
          caption="Customers with a subscription of the status"
          of="Status"
          rows={run.data.map(({ status, count }) => ({
            key: status,
            count,
            name: (
              <Link to="/customers" search={{ status }}>
                <Status status={status} />
              </Link>
            ),
          }))}
        />
      )}
    </Section>
  );
}

function ByPlan() {
  const run = useQuery({
    queryKey: ["customers", "by-plan"],
    staleTime: FRESH_MS,
    queryFn: async ({ signal }) => {
      const plans = await data(api.GET("/plans", { params: { query: { includePrivate: "true", limit: PLANS } }, signal }));
      const rows = await Promise.all(plans.data.map(async ({ code, name }) => ({ code, name, count: await count({ planCode: code }, signal) })));
      return { rows: rows.sort((a, b) => b.count.number - a.count.number), more: plans.hasMore };
    },
  });
  return (
    <Section id="plans" title="Subscriptions by plan" error={run.error} again={() => void run.refetch()} waiting={run.isLoading}>
      {run.data?.rows.length === 0 && (
        <Text size="sm">
          There are <Link to="/plans">no plans</Link> yet.
        </Text>
      )}
      {run.data && run.data.rows.length > 0 && (
        <>
          <Bars
            caption="Customers with a subscription to the plan that is not canceled"
            of="Plan"
            rows={run.data.rows.map(({ code, name, count }) => ({
              key: code,
              count,
              name: (
                <Link to="/customers" search={{ plan: code }}>
                  {name}
                </Link>
              ),
            }))}
          />
          {run.data.more && <Text size="sm">Only the newest {PLANS} plans are shown.</Text>}
        </>
      )}
    </Section>
  );
}

export function OverviewPage() {
  return (
    <>
      <Head title="Overview" />
      <LastHour />
      <OverTime />
      <div className="halves">
        <ByStatus />
        <ByPlan />
      </div>
    </>
  );
}
