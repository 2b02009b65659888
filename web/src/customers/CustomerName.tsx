import { CustomerLink } from "../ui/parts";
import { useCustomer } from "./customer";

/** Leads to a customer by its name, which is asked for; by the id until it is there. */
export function CustomerName({ id }: { id: string }) {
  const customer = useCustomer(id).data?.customer;
  return <CustomerLink id={id}>{customer && (customer.fullName ?? customer.email)}</CustomerLink>;
}
