/* The resources of this API: one line each. */
#include "app/resources.h"

#define RESOURCES(RESOURCE) \
	RESOURCE(customer) \
	RESOURCE(api_key) \
	RESOURCE(plan_group) \
	RESOURCE(plan) \
	RESOURCE(subscription) \
	RESOURCE(test_clock) \
	RESOURCE(invoice) \
	RESOURCE(request_log) \
	RESOURCE(user) \
	RESOURCE(about) \
	RESOURCE(openapi) \
	RESOURCE(errors) \
	RESOURCE(site)

#define RESOURCE(name) extern const struct resource name##_resource;
RESOURCES(RESOURCE)
#undef RESOURCE

static const struct resource *const resources[] = {
#define RESOURCE(name) &name##_resource,
	RESOURCES(RESOURCE)
#undef RESOURCE
};

/*
 * The resource that has row *i of all routes, or NULL past the end. *i becomes the row's number
 * among the routes of that resource.
 */
static const struct resource *
find(size_t *i)
{
	for (size_t r = 0; r < COUNTOF(resources); *i -= resources[r++]->routes_count)
		if (*i < resources[r]->routes_count)
			return resources[r];
	return NULL;
}

const struct route *
route_at(size_t i)
{
	const struct resource *owner = find(&i);

	return owner ? &owner->routes[i] : NULL;
}

const struct resource *
route_owner(size_t i)
{
	return find(&i);
}
