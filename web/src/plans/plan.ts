/* Plans and their groups: what is fetched, and what is changed. */
import { useQuery } from "@tanstack/react-query";
import { answer, api, data } from "../api/client";
import { queries } from "../api/query";
import type { PlanUpdate } from "../api/schema";
import type { Plan, PlanGroup } from "../api/types";
import { fromMembers, member } from "../api/text";

/** What is changed of a plan shows in its group and in lists of groups, and the other way round. */
export const refresh = () =>
  Promise.all(["plans", "plan", "plan-groups", "plan-group"].map((kind) => queries.invalidateQueries({ queryKey: [kind] })));

export interface Shown {
  plan: Plan;
  /** As it was sent. */
  metadata: string;
}

export function usePlan(id: string) {
  return useQuery({
    queryKey: ["plan", id],
    queryFn: async ({ signal }): Promise<Shown> => {
      const { data, text } = await answer(api.GET("/plans/{id}", { params: { path: { id } }, signal }));
      return { plan: data as Plan, metadata: member(text, "metadata") ?? "{}" };
    },
  });
}

/** Metadata are sent as they are written. */
export function changePlan(id: string, { metadata, ...rest }: Omit<PlanUpdate, "metadata"> & { metadata?: string }) {
  const members = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, string] => [name, JSON.stringify(value)]);
  if (metadata !== undefined) members.push(["metadata", metadata]);
  return data(api.PATCH("/plans/{id}", { params: { path: { id } }, body: {}, bodySerializer: () => fromMembers(members) }));
}

/** Everything that a list has, page by page. */
async function all<T>(page: (cursor: string | undefined) => Promise<{ data: T[]; nextCursor?: string }>): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const got = await page(cursor);
    rows.push(...got.data);
    cursor = got.nextCursor;
  } while (cursor);
  return rows;
}

export function useAllPlans() {
  return useQuery({
    queryKey: ["plans", "every"],
    queryFn: ({ signal }) =>
      all<Plan>((cursor) => data(api.GET("/plans", { params: { query: { includePrivate: "true", limit: 100, cursor } }, signal }))),
  });
}

export function useAllGroups() {
  return useQuery({
    queryKey: ["plan-groups", "every"],
    queryFn: ({ signal }) => all<PlanGroup>((cursor) => data(api.GET("/plan-groups", { params: { query: { limit: 100, cursor } }, signal }))),
  });
}

export const groupKey = (id: string) => ["plan-group", id];

export function useGroup(id: string) {
  return useQuery({
    queryKey: groupKey(id),
    queryFn: ({ signal }) => data(api.GET("/plan-groups/{id}", { params: { path: { id } }, signal })),
  });
}
