/*
 * Countries: the codes of ISO 3166-1 alpha-2 (in upper case, as in the standard) and the kind of
 * tax document that each one issues (contract section 3).
 */
#ifndef RESOURCE_CUSTOMER_COUNTRY_H
#define RESOURCE_CUSTOMER_COUNTRY_H

#include "base/str.h"

bool country_known(struct str code);

/*
 * The kind of a tax document of this country: "CUIT", "VAT", ...; "TAX_ID" if the country's kind
 * has no name of its own, or if the code is unknown.
 */
struct str country_document(struct str code, struct str tax_document);

#endif
