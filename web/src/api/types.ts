/* What the API answers, as the client has it. */
import type { Readable } from "openapi-typescript-helpers";
import type * as schema from "./schema";

export type ApiKey = Readable<schema.ApiKey>;
export type Customer = Readable<schema.Customer>;
export type CustomerDetails = Readable<schema.CustomerDetails>;
export type CustomerEvent = Readable<schema.CustomerEvent>;
export type Address = Readable<schema.Address>;
export type DuplicateGroup = Readable<schema.DuplicateGroup>;
export type Import = Readable<schema.Import>;
export type Invoice = Readable<schema.Invoice>;
export type InvoiceStatus = Readable<schema.InvoiceStatus>;
export type Link = Readable<schema.Link>;
export type Permissions = Readable<schema.Permissions>;
export type Plan = Readable<schema.Plan>;
export type PlanGroup = Readable<schema.PlanGroup>;
export type PlanGroupDetails = Readable<schema.PlanGroupDetails>;
export type PlanChangePreview = Readable<schema.PlanChangePreview>;
export type LoggedRequest = Readable<schema.Request>;
export type RequestSummary = Readable<schema.RequestSummary>;
export type Role = Readable<schema.Role>;
export type Session = Readable<schema.Session>;
export type Subscription = Readable<schema.Subscription>;
export type TestClock = Readable<schema.TestClock>;
export type User = Readable<schema.User>;
