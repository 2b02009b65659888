/*
 * Countries: the codes of ISO 3166-1 alpha-2 (upper case, as the standard has
 * them) and the kind of tax document that each one knows (contract section 3).
 */
#ifndef RESOURCE_CUSTOMER_COUNTRY_H
#define RESOURCE_CUSTOMER_COUNTRY_H

#include "base/str.h"

bool country_known(struct str code);

/* "CUIT", "VAT", ...; "TAX_ID" for a country without a name for it, and for none. */
struct str country_document(struct str code, struct str tax_document);

#endif
