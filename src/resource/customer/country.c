/* Countries and their tax documents. */
#include "resource/customer/country.h"

/* Codes of two letters, each followed by a blank. */
static const struct {
	const char *codes, *document;
} countries[] = {
	{ "AD AE AF AG AI AL AM AO AQ AS AU AW AX AZ BA BB BD BF BH BI BJ BL BM BN ", "TAX_ID" },
	{ "BO BQ BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CM CN CR CU CV CW CX DJ ", "TAX_ID" },
	{ "DM DO DZ EC EG EH ER ET FJ FK FM FO GA GB GD GE GF GG GH GI GL GM GN GP ", "TAX_ID" },
	{ "GQ GS GT GU GW GY HK HM HN HT ID IL IM IN IO IQ IR IS JE JM JO JP KE KG ", "TAX_ID" },
	{ "KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LY MA MC MD ME MF MG MH ", "TAX_ID" },
	{ "MK ML MM MN MO MP MQ MR MS MU MV MW MY MZ NA NC NE NF NG NI NO NP NR NU ", "TAX_ID" },
	{ "NZ OM PA PF PG PH PK PM PN PR PS PW PY QA RE RS RU RW SA SB SC SD SG SH ", "TAX_ID" },
	{ "SJ SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR ", "TAX_ID" },
	{ "TT TV TW TZ UA UG UM UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW ", "TAX_ID" },
	{ "AR ", "CUIT" },
	{ "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO ", "VAT" },
	{ "SE SI SK ", "VAT" },
	{ "BR ", "CNPJ" },
	{ "CL ", "RUT" },
	{ "CO ", "NIT" },
	{ "MX ", "RFC" },
	{ "PE ", "RUC" },
	{ "US ", "EIN" },
};

static const char *
find(struct str code)
{
	if (code.len != 2)
		return NULL;
	for (size_t i = 0; i < COUNTOF(countries); i++)
		for (const char *p = countries[i].codes; *p; p += 3)
			if (p[0] == code.ptr[0] && p[1] == code.ptr[1])
				return countries[i].document;
	return NULL;
}

bool
country_known(struct str code)
{
	return find(code) != NULL;
}

struct str
country_document(struct str code, struct str tax_document)
{
	const char *document = find(code);
	size_t      digits = 0;

	if (!document)
		return STR("TAX_ID");
	/* Brazil has one document for companies (14 digits) and another for people (11). */
	for (size_t i = 0; i < tax_document.len; i++)
		digits += tax_document.ptr[i] >= '0' && tax_document.ptr[i] <= '9';
	if (str_is(code, "BR") && digits == 11)
		return STR("CPF");
	return str_of(document);
}
