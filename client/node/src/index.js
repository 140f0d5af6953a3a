export { connect } from "./client.js";
export { FealtyError } from "./error.js";
export { newKey } from "./key.js";
export { readTransaction } from "./transaction.js";
