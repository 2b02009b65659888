import type { ReactNode } from "react";
import { Problem, Waiting } from "../ui/parts";

export function Section({ id, title, error, again, waiting, children }: { id: string; title: string; error: Error | null; again: () => void; waiting: boolean; children: ReactNode }) {
  return (
    <section className="section" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {error && <Problem error={error} again={again} />}
      {waiting && <Waiting lines={6} />}
      {children}
    </section>
  );
}
