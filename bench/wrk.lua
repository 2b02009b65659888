-- Requests for wrk. Arguments: what to ask for, a number that no other run on this cluster has, and a file that tells of the data:
--   data ORGANIZATIONS EACH     how many there are, and how many customers of each can be asked for
--   place NUMBER KEY            an organization that this run uses
--   id NUMBER ID                a public id of a customer of that organization
--   first - CURSOR              where the customers of organization 0 begin that were loaded
--   deep - CURSOR               where page 10,000 of them begins
--   path - PATH                 what "path" asks for
--   free NUMBER COUNT           those without a subscription, counted over all organizations, that this run may subscribe

local organizations, each
local cursors = {} -- and the path
local free, free_count = 0, 0
local first_external_id = 1000000000
local repeated = 64 -- different creates that a thread repeats

local threads = 0

function setup(thread)
	thread:set("thread_number", threads)
	threads = threads + 1
end

local places, ids = {}, {}
local made = 0 -- customers that this thread has sent
local base

local function head(method, path, place, more)
	return method .. " /api/v1/" .. path .. " HTTP/1.1\r\nHost: bench\r\nx-api-key: " .. place.key .. "\r\n" .. (more or "")
end

local function place()
	return places[math.random(#places)]
end

local function external_id(place)
	return string.format("%d", first_external_id + place.number + organizations * (math.random(each) - 1))
end

local function send(method, path, place, body, key)
	made = made + 1
	return head(method, path, place, string.format("Content-Type: application/json\r\nIdempotency-Key: k%.0f\r\nContent-Length: %d\r\n\r\n",
		key or base + made, #body)) .. body
end

local function customer(number)
	made = made + 1
	local id = string.format("%.0f", number or base + made)
	return '{"externalId":"' .. id .. '","email":"customer' .. id .. '@example.com","fullName":"Customer Number 1",'
		.. '"timezone":"Europe/London","address":{"line1":"12 St James Square","city":"London","postalCode":"SW1Y 4JH",'
		.. '"country":"GB"},"metadata":{"plan":"pro","seats":3,"source":"bench"}}'
end

local ask = {}

function ask.get()
	local place = place()
	return head("GET", "customers/" .. external_id(place), place, "\r\n")
end

function ask.public()
	local place = place()
	local known = ids[place.number]
	return head("GET", "customers/" .. known[math.random(#known)], place, "\r\n")
end

-- What is refused before anybody asks the database: the road there and back.
function ask.empty()
	return head("GET", "nowhere", place(), "\r\n")
end

function ask.list()
	return head("GET", "customers?limit=25", place(), "\r\n")
end

function ask.first()
	return head("GET", "customers?limit=25&cursor=" .. cursors.first, place(), "\r\n")
end

function ask.deep()
	return head("GET", "customers?limit=25&cursor=" .. cursors.deep, place(), "\r\n")
end

function ask.path()
	return head("GET", cursors.path, place(), "\r\n")
end

-- Of a version that has it; it finds nobody.
function ask.search()
	return "GET /api/customers?search=nobody%20at%20all HTTP/1.1\r\nHost: bench\r\nx-api-key: " .. place().key .. "\r\n\r\n"
end

function ask.create()
	return send("POST", "customers", place(), customer())
end

-- In one organization alone, which measure.py sees to.
ask.single = ask.create

-- One of a few requests, each from the same organization every time: nearly all of them are repetitions.
ask["repeat"] = function()
	local n = math.random(repeated)
	local number = base + 5e8 + n
	return send("POST", "customers", places[n % #places + 1], customer(number), number)
end

local function batch(make)
	local items = {}
	for i = 1, 100 do
		items[i] = make()
	end
	return send("POST", "customers/batch", place(), '{"customers":[' .. table.concat(items, ",") .. "]}")
end

function ask.batch()
	return batch(customer)
end

-- Customers with much metadata, 0.96 MB in all, of which little can be compressed.
local note

local function heavy_customer()
	return (customer():gsub('"source":"bench"', '"source":"' .. note .. '"'))
end

function ask.heavy()
	return batch(heavy_customer)
end

function ask.update()
	local place = place()
	made = made + 1
	return send("PATCH", "customers/" .. external_id(place), place, string.format('{"fullName":"Customer Renamed %.0f"}', base + made))
end

function ask.mix()
	local n = math.random(100)
	return n <= 80 and ask.get() or n <= 95 and ask.list() or ask.create()
end

-- The nth customer of an organization; every other one has a subscription (billing.sql), from the second on.
local function nth(place, n)
	return string.format("%d", first_external_id + place.number + organizations * n)
end

-- Not those at the beginning, who get a subscription meanwhile.
function ask.plain()
	local place = place()
	return head("GET", "customers/" .. nth(place, 2 * math.random(math.floor(each / 4), math.floor(each / 2) - 1)), place, "\r\n")
end

function ask.subscribed()
	local place = place()
	return head("GET", "customers/" .. nth(place, 2 * math.random(math.floor(each / 2)) - 1), place, "\r\n")
end

function ask.active()
	local place = place()
	return head("GET", "subscriptions/active?customerId=" .. nth(place, 2 * math.random(math.floor(each / 2)) - 1), place, "\r\n")
end

-- Each once.
function ask.subscribe()
	local n = free + thread_number * math.floor(free_count / 2) + made
	local place = places[n % #places + 1]
	return send("POST", "subscriptions", place, '{"customerId":"' .. nth(place, 2 * math.floor(n / #places)) .. '","planCode":"pro"}')
end

-- Some of everything, for the memory that workers need.
function ask.all()
	local n = math.random(100)
	return n <= 60 and ask.get() or n <= 75 and ask.list() or n <= 87 and ask.create() or n <= 97 and ask.update() or ask.batch()
end

function init(arguments)
	-- A double counts exactly up to 2^53: fifteen digits fit.
	base = tonumber(arguments[2]) * 1e10 + thread_number * 1e9
	math.randomseed(tonumber(arguments[2]) * 64 + thread_number)
	for line in io.lines(arguments[3]) do
		local what, number, value = line:match("^(%a+) (%S+) (%S+)$")
		number = tonumber(number)
		if what == "data" then
			organizations, each = number, tonumber(value)
		elseif what == "place" then
			places[#places + 1] = { number = number, key = value }
		elseif what == "free" then
			free, free_count = number, tonumber(value)
		elseif what == "id" then
			ids[number] = ids[number] or {}
			table.insert(ids[number], value)
		else
			cursors[what] = value
		end
	end
	local letters = {}
	for i = 1, 9300 do
		letters[i] = string.char(math.random(97, 122))
	end
	note = table.concat(letters)
	request = ask[arguments[1]]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'RESULT {"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"p999_ms":%.3f,"refused":%d,"broken":%d}\n',
		summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
		latency:percentile(99.9) / 1e3, e.status, e.connect + e.read + e.write + e.timeout))
end
