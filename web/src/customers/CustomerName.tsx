import { CustomerLink } from "../ui/parts";
import { useCustomer } from "./customer";

/* A list asks for the name of each of its customers, as no other call tells it: not again whenever one comes back. */
const FRESH_MS = 300_000;

/** Leads to a customer by its name, which is asked for; by the id until it is there. */
export function CustomerName({ id }: { id: string }) {
  const customer = useCustomer(id, FRESH_MS).data?.customer;
  return <CustomerLink id={id}>{customer && (customer.fullName ?? customer.email)}</CustomerLink>;
}
