/* Customers: what is fetched, and what is changed. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answer, api, type Answer } from "../api/client";
import { queries } from "../api/query";
import type { CustomerUpdate, operations } from "../api/schema";
import type { Customer, CustomerDetails, CustomerEvent } from "../api/types";
import { elements, member } from "../api/text";

export type Query = NonNullable<operations["listCustomers"]["parameters"]["query"]>;
type Sort = NonNullable<Query["sort"]>;
type Status = NonNullable<Query["subscriptionStatus"]>;
type Archived = NonNullable<Query["archived"]>;

export const SORTS: Record<Sort, string> = {
  "-createdAt": "Newest first",
  createdAt: "Oldest first",
  updatedAt: "Least recently changed first",
  email: "E-mail address",
  fullName: "Name",
};
export const STATUSES: Status[] = ["draft", "pending_payment", "trialing", "active", "past_due", "canceled"];
export const ARCHIVED: Record<Archived, string> = { false: "Not archived", true: "Archived", all: "All" };

/* Between the last key and the search for what is in the field. Short: what another key makes idle is given up, and the service stops it. */
export const TYPING_MS = 40;

export interface Search {
  q?: string;
  status?: string;
  plan?: string;
  archived?: string;
  sort?: string;
  cursor?: string;
}

/** Whether it leaves somebody out. */
export const isFiltered = ({ q, status, plan, archived }: Search) => Boolean(q?.trim() || status || plan || archived);

/* An address may be written by anybody: what is none of the choices is left out. */
const choice = <T extends string>(value: string | undefined, all: readonly T[]): T | undefined => all.find((one) => one === value);

/** What the API is asked for. */
export function queryOf(search: Search): Query {
  return {
    limit: 50,
    cursor: search.cursor,
    q: search.q?.trim() || undefined,
    subscriptionStatus: choice(search.status, STATUSES),
    planCode: search.plan,
    archived: choice(search.archived, Object.keys(ARCHIVED) as Archived[]),
    sort: choice(search.sort, Object.keys(SORTS) as Sort[]),
  };
}

export function useCustomers(search: Search) {
  const query = queryOf(search);
  return useQuery({
    queryKey: ["customers", query],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => (await answer(api.GET("/customers", { params: { query }, signal }))).data,
  });
}

/** How many there are, as the API tells it. Apart from the page, which is there before they are counted. */
export function useCount(search: Search) {
  const query: Query = { ...queryOf(search), limit: 1, cursor: undefined, sort: undefined, count: "capped" };
  return useQuery({
    queryKey: ["customers", "count", query],
    enabled: !search.cursor,
    queryFn: async ({ signal }) => String((await answer(api.GET("/customers", { params: { query }, signal }))).data.count),
  });
}

export interface Shown {
  customer: CustomerDetails;
  /** As it was sent. */
  metadata: string;
  etag: string;
  /** The id that was asked for is of one who was merged into this customer. */
  merged: boolean;
}

function shown({ data, text, etag, merged }: Answer<unknown>): Shown {
  return { customer: data as CustomerDetails, metadata: member(text, "metadata") ?? "{}", etag: etag ?? "", merged: merged !== null };
}

const one = (id: string) => ["customer", id];

export async function fetchCustomer(id: string): Promise<Shown> {
  return shown(await answer(api.GET("/customers/{id}", { params: { path: { id } } })));
}

export function useCustomer(id: string, staleTime?: number) {
  return useQuery({ queryKey: one(id), queryFn: () => fetchCustomer(id), ...(staleTime && { staleTime }) });
}

/** Whatever was changed of a customer, lists and history show it too. */
export async function refresh(id?: string) {
  await Promise.all([
    queries.invalidateQueries({ queryKey: ["customers"] }),
    ...(id ? [queries.invalidateQueries({ queryKey: one(id) }), queries.invalidateQueries({ queryKey: ["history", id] })] : []),
  ]);
}

const version = (id: string, etag: string | undefined) => ({ path: { id }, header: etag ? { "If-Match": etag } : {} });

/** Changes members, if nobody changed the customer since it had this tag. An empty text takes away. */
export async function change(id: string, body: CustomerUpdate, etag: string) {
  return (await answer(api.PATCH("/customers/{id}", { params: version(id, etag), body }))).data;
}

/** Puts other metadata in the place of all that there are. They are sent as they are written. */
export async function changeMetadata(id: string, metadata: string, etag: string) {
  const call = api.PATCH("/customers/{id}", { params: version(id, etag), body: {}, bodySerializer: () => `{"metadata":${metadata}}` });
  return (await answer(call)).data;
}

export async function archive(id: string, etag?: string) {
  return (await answer(api.POST("/customers/{id}/archive", { params: version(id, etag) }))).data;
}

export async function restore(id: string) {
  return (await answer(api.POST("/customers/{id}/restore", { params: version(id, undefined) }))).data;
}

export async function erase(id: string, etag: string) {
  return (await answer(api.DELETE("/customers/{id}", { params: version(id, etag) }))).data;
}

export async function create(body: { email: string; fullName?: string; externalId?: string }): Promise<{ customer: Customer; existed: boolean }> {
  const made = api.POST("/customers", { body });
  const { data } = await answer(made);
  return { customer: data as Customer, existed: (await made).response.status === 200 };
}

export interface Event extends Omit<CustomerEvent, "before" | "after"> {
  /** As they were sent. */
  before: string | undefined;
  after: string | undefined;
}

const given = (text: string | undefined) => (text === "null" ? undefined : text);

export async function fetchHistory(id: string, cursor: string | undefined): Promise<{ events: Event[]; next: string | undefined }> {
  const { data, text } = await answer(api.GET("/customers/{id}/history", { params: { path: { id }, query: { limit: 20, cursor } } }));
  const rows = elements(member(text, "data") ?? "[]");
  return {
    events: data.data.map((event, at) => ({
      ...event,
      before: given(member(rows[at] ?? "", "before")),
      after: given(member(rows[at] ?? "", "after")),
    })),
    next: data.nextCursor,
  };
}
