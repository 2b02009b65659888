/* Handler of the description of the API. */
#include "app/openapi.h"
#include "json/jwrite.h"

enum err
openapi_get(struct call *c)
{
	/* In no version's envelope: it is a document for tools, not a resource. */
	c->res->status = 200;
	c->reply = jwrite_raw(openapi_document);
	return ERR_OK;
}
