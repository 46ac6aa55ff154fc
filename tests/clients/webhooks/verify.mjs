// Verifies a message as the reference library of Standard Webhooks does: SECRET in the environment, headers and body on stdin.
import { Webhook } from "standardwebhooks";

let text = "";
for await (const piece of process.stdin) text += piece;
const { headers, body } = JSON.parse(text);
const message = new Webhook(process.env.SECRET).verify(body, headers);
console.log(message.type);
