/* Requests, errors and how long answers took, minute by minute, as this host has counted them. */
import { Link } from "@tanstack/react-router";
import type { RequestSummary } from "../api/types";
import { ms, useSummary } from "../requests/request";
import { Moment } from "../ui/parts";
import { Section } from "./Section";

const MINUTES = 60;
const AGAIN_MS = 30_000;
const HEIGHT = 120;

type Minute = RequestSummary["minutes"][number];

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const at = (minute: Minute) => clock.format(new Date(minute.at));
const sum = (minutes: Minute[], of: (minute: Minute) => number) => minutes.reduce((all, minute) => all + of(minute), 0);
const share = (part: number, of: number) => (of === 0 ? "" : ` (${((100 * part) / of).toLocaleString(undefined, { maximumFractionDigits: 1 })} %)`);

interface Part {
  /** Its colour (ui.css). */
  look: string;
  of: (minute: Minute) => number;
}

/** A column for each minute, of parts from the bottom up; minutes of which not all is known are shaded. */
function Plot({ minutes, unknown, parts, top }: { minutes: Minute[]; unknown: number; parts: Part[]; top: number }) {
  const width = 100 / minutes.length;
  return (
    <div className="minutes" aria-hidden>
      <svg width="100%" height={HEIGHT}>
        {unknown > 0 && <rect className="unknown" width={`${width * unknown}%`} height="100%" />}
        {minutes.map((minute, column) => {
          let below = 0;
          return parts.map(({ look, of }) => {
            const height = (100 * of(minute)) / top;
            below += height;
            return height > 0 && <rect key={`${minute.at}${look}`} className={look} x={`${width * (column + 0.1)}%`} width={`${width * 0.8}%`} y={`${100 - below}%`} height={`${height}%`} />;
          });
        })}
      </svg>
      <p>
        {[0, Math.floor(minutes.length / 2), minutes.length - 1].map((column) => (
          <span key={column}>{at(minutes[column] as Minute)}</span>
        ))}
      </p>
    </div>
  );
}

/** When it was slowest. */
function Worst({ minutes, of }: { minutes: Minute[]; of: (minute: Minute) => number }) {
  const worst = minutes.reduce((one, other) => (of(other) > of(one) ? other : one));
  return (
    <>
      <strong>{ms(of(worst))}</strong> at {at(worst)}
    </>
  );
}

function Figures({ minutes, since }: RequestSummary) {
  const known = new Date(since).getTime();
  const unknown = minutes.filter((minute) => new Date(minute.at).getTime() < known).length;
  const busy = minutes.filter(({ requests }) => requests > 0);
  const last = busy.at(-1);
  const [requests, refused, failed] = [sum(minutes, (m) => m.requests), sum(minutes, (m) => m.clientErrors), sum(minutes, (m) => m.serverErrors)];
  const p50 = (m: Minute) => m.p50Ms ?? 0;
  const p95 = (m: Minute) => m.p95Ms ?? 0;
  return (
    <>
      {unknown > 0 && (
        <p>
          Not all of this hour is known: this host keeps the last requests alone, in memory. It has all since <Moment at={since} to="clock" />, and of earlier ones
          (shaded) some or none.
        </p>
      )}
      <div className="halves">
        <div>
          <p>
            <strong className="figure">{requests.toLocaleString()}</strong> requests,{" "}
            <Link to="/requests" search={{ status: "4xx" }}>
              {refused.toLocaleString()} refused
            </Link>
            {share(refused, requests)},{" "}
            <Link to="/requests" search={{ status: "5xx" }}>
              {failed.toLocaleString()} failed
            </Link>
            {share(failed, requests)}
          </p>
          <Plot
            minutes={minutes}
            unknown={unknown}
            top={Math.max(1, ...minutes.map((m) => m.requests))}
            parts={[
              { look: "failed", of: (m) => m.serverErrors },
              { look: "refused", of: (m) => m.clientErrors },
              { look: "new", of: (m) => m.requests - m.clientErrors - m.serverErrors },
            ]}
          />
          <p className="legend" aria-hidden>
            <span>done</span> <span className="refused">refused (4xx)</span> <span className="failed">failed (5xx)</span>
          </p>
        </div>
        <div>
          {last ? (
            <p>
              <strong className="figure">{ms(p50(last))}</strong> p50, <strong>{ms(p95(last))}</strong> p95 at {at(last)}; at worst <Worst minutes={busy} of={p50} /> and{" "}
              <Worst minutes={busy} of={p95} />
            </p>
          ) : (
            <p>Without requests there is nothing to tell of how long they took.</p>
          )}
          <Plot
            minutes={minutes}
            unknown={unknown}
            top={Math.max(1, ...minutes.map(p95))}
            parts={[
              { look: "new", of: p50 },
              { look: "before", of: (m) => p95(m) - p50(m) },
            ]}
          />
          <p className="legend">
            <span>p50: half took at most this</span> <span className="before">p95: all but 5 % did</span>
          </p>
        </div>
      </div>
      {busy.length > 0 && (
        <details>
          <summary>The minutes in numbers</summary>
          <table className="bars">
            <caption>Minutes with requests, the last one first</caption>
            <thead>
              <tr>
                {["Minute", "Requests", "Refused", "Failed", "p50", "p95"].map((title) => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {[...busy].reverse().map((minute) => (
                <tr key={minute.at}>
                  <th scope="row">{at(minute)}</th>
                  <td className="number">{minute.requests.toLocaleString()}</td>
                  <td className="number">{minute.clientErrors.toLocaleString()}</td>
                  <td className="number">{minute.serverErrors.toLocaleString()}</td>
                  <td className="number">{ms(p50(minute))}</td>
                  <td className="number">{ms(p95(minute))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </>
  );
}

export function LastHour() {
  const run = useSummary(MINUTES, AGAIN_MS);
  return (
    <Section id="requests" title="Requests of the last hour" error={run.error} again={() => void run.refetch()} waiting={run.isLoading}>
      {run.data && <Figures {...run.data} />}
    </Section>
  );
}
