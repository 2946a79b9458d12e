/**
 * Tabs of `sst dev` beside the functions' own: the Redis that they use on a laptop, and what one runs again and again. The console
 * has no tab of its own: it asks the API at its own origin, which `sst dev` does not have without the edge. The laptop's stack
 * serves both.
 */
if ($dev) {
  const tab = (name: string, title: string, command: string, autostart: boolean) =>
    new sst.x.DevCommand(name, { dev: { title, command, autostart } });
  tab("LocalRedis", "Redis", "redis-server --port 6379 --bind 127.0.0.1 --save '' --maxmemory-policy noeviction", true);
  tab("Tests", "Tests", "npm test", false);
  tab("Laptop", "Laptop's stack, with the console", "npm start", false);
  tab("Rush", "Rush on the laptop's stack", "npm run rush", false);
}
