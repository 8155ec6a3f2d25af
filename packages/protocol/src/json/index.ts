// Grammar of JSON: strict reading of our own API, reading of foreign text by pointer, pointers.
export { parseJsonObject, parseJsonStrict, type Json } from "./json.ts";
export {
  formatPointer,
  isPointer,
  parsePointer,
  pointerObstacle,
  pointerStep,
  pointerValue,
  type Pointer,
} from "./pointer.ts";
export { readFormText, readJsonText, scalarOf, type JsonText } from "./json-text.ts";
