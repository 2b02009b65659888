/*
 * Every limit of the service, with its unit and its reason. Limits that an
 * operator may change stand in the configuration table (conf/conf.c).
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/*
 * Of an amount, in the minor unit of its currency, and of other numbers that clients count with:
 * 2^53, up to which doubles hold every whole number.
 */
#define AMOUNT_MAX 9007199254740992

enum {
	/*
	 * Memory of a request that the worker keeps for the next one; what a page of 25 needs. A
	 * worker keeps it as often as it has had requests in hand at once, which may be hundreds.
	 */
	ARENA_KEEP_BYTES = 32 * 1024,

	/*
	 * nginx and lighttpd pass on at most 8 KiB of request line and 32 KiB of
	 * headers with our conf/; the path and query that the API knows are far
	 * shorter: an id of 100 characters is at most 1,200 bytes when each byte
	 * of it is escaped.
	 */
	URI_MAX_BYTES = 4096,
	QUERY_PARAMETERS_MAX = 32,
	/* All FastCGI parameters together; nginx and lighttpd send at most 65,535 bytes of them. */
	PARAMS_MAX_BYTES = 64 * 1024,
	HEADER_VALUE_MAX_BYTES = 1024,

	/* JSON. A batch (2 levels) of items with metadata (METADATA_DEPTH_MAX) fits three times. */
	JSON_DEPTH_MAX = 32,
	/* 100 items with full metadata and every field are under 105,000 values. */
	JSON_VALUES_MAX = 120000,

	/* Those of one resource alone stand in its folder. */
	METADATA_DEPTH_MAX = 8,
	METADATA_VALUES_MAX = 1000,
	JSON_NUMBER_MAX_BYTES = 64, /* jsonb and doubles make monsters of longer ones */
	LIST_LIMIT_MAX = 100,
	LIST_LIMIT_DEFAULT = 25,

	/* Contract sections 5 and 6. */
	IDEMPOTENCY_KEY_MAX_BYTES = 255,
	REQUESTS_IN_HAND_MAX = 256, /* of one worker: 40 KiB of the scoreboard */
	REQUEST_ID_MAX_BYTES = 128,

	/* Field errors in one answer; a batch of 100 items can have more than anyone reads. */
	PROBLEM_DETAILS_MAX = 1000,

	/*
	 * A file that is sent to be imported, or a part of one: that is what the routes take whose
	 * body is one (ROUTE_UPLOAD), whatever body_max says. While it is there a worker has it
	 * in memory up to four times: as it came, as it is handed to libfcgi, as a body, and as
	 * libpq sends it. The worker's CLIENTS_BYTES bound how many of them come at once.
	 */
	UPLOAD_MAX_BYTES = 8 * 1024 * 1024,

	/*
	 * The largest answer: a page of 100 rows with 16 KiB of metadata each is
	 * 1.7 MiB; a failed batch echoes its body.
	 */
	RESPONSE_MAX_BYTES = 8 * 1024 * 1024,
	/* Of which the worker keeps this much between requests. */
	RESPONSE_KEEP_BYTES = 32 * 1024,
};

#endif
