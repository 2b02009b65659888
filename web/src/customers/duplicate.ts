/* Customers who are the same: found, merged, and apart again. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answer, api, data } from "../api/client";
import { queries } from "../api/query";
import type { DuplicateGroup } from "../api/types";

export type By = DuplicateGroup["by"];
export const BY: Record<By, string> = { email: "E-mail address", taxDocument: "Tax document" };

/** Of a customer, what tells it from others. */
export interface Named {
  id: string;
  email: string;
  fullName: string | null;
  externalId: string | null;
}

export function useDuplicates(by: By, cursor: string | undefined) {
  const query = { by, cursor, limit: 20 };
  return useQuery({
    queryKey: ["duplicates", query],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => data(api.GET("/customers/duplicates", { params: { query }, signal })),
  });
}

const MANY = 100;
const counted = ({ data, hasMore }: { data: unknown[]; hasMore: boolean }) => (hasMore ? `${MANY} or more` : String(data.length));

/** How much a merge would move. */
export function useMoving(customerId: string) {
  return useQuery({
    queryKey: ["moving", customerId],
    queryFn: async ({ signal }) => {
      const params = { query: { customerId, limit: MANY } };
      const [subscriptions, invoices] = await Promise.all([
        data(api.GET("/subscriptions", { params, signal })),
        data(api.GET("/invoices", { params, signal })),
      ]);
      return { subscriptions: counted(subscriptions), invoices: counted(invoices) };
    },
  });
}

/** Who was merged into a customer. The API tells it with all that it holds of one, so it is asked for alone when somebody wants to know. */
export function useMerged(id: string) {
  return useQuery({
    queryKey: ["merged", id],
    queryFn: async ({ signal }) => (await answer(api.GET("/customers/{id}/export", { params: { path: { id } }, signal }))).data.merged as Named[],
  });
}

/* Subscriptions, invoices, history: all of it moves. */
const refreshAll = () => queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });

export async function merge(into: string, from: string) {
  await answer(api.POST("/customers/{id}/merge", { params: { path: { id: into } }, body: { from } }));
  await refreshAll();
}

/** Answers the id of the customer who is itself again. */
export async function unmerge(id: string): Promise<string> {
  const { data } = await answer(api.POST("/customers/{id}/unmerge", { params: { path: { id } } }));
  queries.removeQueries({ queryKey: ["customer", data.id], type: "inactive" }); // it leads to the other one
  await refreshAll();
  return data.id;
}
