// A script's text, as esbuild's `text` loader, the test runner and local/register.mjs all give it.
declare module "*.lua" {
  const text: string;
  export default text;
}
