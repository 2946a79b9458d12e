/** The chart library, in a chunk of its own: it is larger than all the rest, and a page without a chart does without it. */
export { default as Plot } from "uplot";
