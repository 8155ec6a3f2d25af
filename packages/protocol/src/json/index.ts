// Grammar of JSON: strict reading, pointers.
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
