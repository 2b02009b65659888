/*
 * Sessions of people who have signed in: whose call it is that comes with a cookie.
 *
 * Stored     Only the SHA-256 of the cookie.
 * Ends       SESSION_IDLE_HOURS after its last use, SESSION_LIFE_DAYS after its beginning.
 * Cache      As for API keys: a session that was found is trusted for ttl_ms. One that ended, or a
 *            role that changed, is noticed everywhere within that time. Whoever moves a session to
 *            another environment gives it another cookie, so that none acts where it was.
 * Forgery    The cookie comes along with whatever a browser sends, so a call that is not a GET must
 *            have a header besides, which no page of another site can send: session_token().
 * Keys       A call with an API key is that key's, whatever cookies came along.
 * Proxy      Where an authenticating proxy says who is there (sign_in_by_proxy), a session of
 *            somebody else is over.
 */
#ifndef AUTH_SESSION_H
#define AUTH_SESSION_H

#include "auth/account.h"
#include "call/call.h"

enum {
	SESSION_IDLE_HOURS = 12,
	SESSION_LIFE_DAYS = 7,
	SESSION_TOKEN_BYTES = 32,
};

#define SESSION_IDLE_MS (SESSION_IDLE_HOURS * INT64_C(3600000))
#define SESSION_LIFE_MS (SESSION_LIFE_DAYS * INT64_C(86400000))

/* Before the digits of a cookie. */
#define SESSION_COOKIE_PREFIX STR("uss_")

struct session_cache;

struct session_cache *session_cache_new(int64_t ttl_ms);
void                  session_cache_free(struct session_cache *cache);

/* Whether an authenticating proxy says who makes the call, and that is configured to count. */
bool session_is_vouched(const struct call *c);

/* Whether the call comes without an API key, and with a session's cookie or a proxy's word. */
bool session_is_sent(const struct call *c);

/*
 * Fills c->tenant, c->api_key (with the cookie, for what is sealed) and the facts. ERR_SIGNED_OUT
 * if the session is none, has ended, or is another user's than a proxy names; ERR_FORBIDDEN if the
 * call lacks the header that says it was meant; ERR_RATE_LIMITED by the environment's limit.
 */
enum err session_check(struct call *c, struct session_cache *cache);

/* ERR_SIGNED_OUT, for a session that has ended; its details tell that a proxy vouches. */
enum err session_over(struct call *c);

/* What the header X-CSRF-Token of the session with this cookie must have. */
struct str session_token(struct arena *a, struct str cookie);

/*
 * For a call that anybody may make: whether it has the header X-CSRF-Token at all, whatever that
 * says, so that no page of another site signs somebody in. ERR_FORBIDDEN.
 */
enum err session_is_meant(struct call *c);

/* Has the answer set the cookie, or remove it if it is absent. */
void session_set_cookie(struct call *c, struct str cookie);

/*
 * Takes a token for somebody who tries to sign in as this, at the client's address; both have
 * limits. ERR_RATE_LIMITED.
 */
enum err session_try(struct call *c, struct str email);

#endif
