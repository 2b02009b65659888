/* Countries and their tax documents. */
#include "resource/customer/country.h"

/* Codes of two letters, each followed by a blank. */
static const struct {
	const char *codes, *document;
} countries[] = {
	{ "AD AE AF AG AI AL AM AO AQ AS AU AW AX AZ BA BB BD BF BH BI BJ BL BM BN BO BQ ", "TAX_ID" },
	{ "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CM CN CR CU CV CW CX DJ DM DO DZ EC ", "TAX_ID" },
	{ "EG EH ER ET FJ FK FM FO GA GB GD GE GF GG GH GI GL GM GN GP GQ GS GT GU GW GY ", "TAX_ID" },
	{ "HK HM HN HT ID IL IM IN IO IQ IR IS JE JM JO JP KE KG KH KI KM KN KP KR KW KY ", "TAX_ID" },
	{ "KZ LA LB LC LI LK LR LS LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MU ", "TAX_ID" },
	{ "MV MW MY MZ NA NC NE NF NG NI NO NP NR NU NZ OM PA PF PG PH PK PM PN PR PS PW ", "TAX_ID" },
	{ "PY QA RE RS RU RW SA SB SC SD SG SH SJ SL SM SN SO SR SS ST SV SX SY SZ TC TD ", "TAX_ID" },
	{ "TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM UY UZ VA VC VE VG VI VN VU ", "TAX_ID" },
	{ "WF WS YE YT ZA ZM ZW ", "TAX_ID" },
	{ "AR ", "CUIT" },
	{ "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK ", "VAT" },
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
	/* Brazil has one for companies (14 digits) and one for people (11). */
	for (size_t i = 0; i < tax_document.len; i++)
		digits += tax_document.ptr[i] >= '0' && tax_document.ptr[i] <= '9';
	if (str_is(code, "BR") && digits == 11)
		return STR("CPF");
	return str_of(document);
}
