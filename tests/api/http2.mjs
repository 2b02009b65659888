// Sends POST requests over one HTTP/2 connection, one after the other; prints what came back as JSON.
// usage: node http2.mjs URL KEY [known|unknown]:FILE...
import http2 from "node:http2";
import fs from "node:fs";

const [url, key, ...sends] = process.argv.slice(2);
const session = http2.connect(url);
session.on("error", (error) => { throw error; });

function send(kind, body) {
	const length = kind === "known" ? { "content-length": body.length } : {};
	const stream = session.request({ ":method": "POST", ":path": "/api/v1/customers", "x-api-key": key, "content-type": "application/json", ...length });
	return new Promise((resolve, reject) => {
		let answer = null;
		const parts = [];
		stream.on("response", (headers) => { answer = headers; });
		stream.on("data", (part) => parts.push(part));
		stream.on("error", reject);
		stream.on("close", () => (answer ? resolve({
			status: answer[":status"], headers: Object.entries(answer).filter(([name]) => name[0] !== ":"), reset: stream.rstCode, body: Buffer.concat(parts).toString(),
		}) : reject(new Error(`closed without an answer, code ${stream.rstCode}`))));
		stream.end(body);
	});
}

const answers = [];
for (const [kind, file] of sends.map((text) => text.split(":")))
	answers.push(await send(kind, fs.readFileSync(file)));
console.log(JSON.stringify(answers));
session.close();
