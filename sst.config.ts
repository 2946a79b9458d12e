/// <reference path="./.sst/platform/config.d.ts" />

/** The deployment: what is kept when a stage is removed, then the resources of `infra/`. How to use it: docs/deploy.md. */
export default $config({
  app(input) {
    const isProduction = input.stage === "production";
    return {
      name: "firstcome",
      // Production keeps its ledger and its network when the stage is removed, and refuses to be removed by accident.
      removal: isProduction ? "retain" : "remove",
      protect: isProduction,
      home: "aws",
      // Seoul, unless the stage's `.env.<stage>` says otherwise.
      providers: { aws: { region: (process.env.FIRSTCOME_REGION ?? "ap-northeast-2") as "ap-northeast-2" } },
      // The launcher's own package has no use for the types of linked resources.
      types: { ignore: ["local"] },
    };
  },
  async run() {
    const { refuseUnsafe } = await import("./infra/guards.ts");
    const { deployed } = await import("./infra/deployed.ts");
    refuseUnsafe(deployed);
    const { api } = await import("./infra/api.ts");
    await import("./infra/consumers.ts");
    await import("./infra/schedules.ts");
    const { dashboardUrl } = await import("./infra/dashboard.ts");
    await import("./infra/alarms.ts");
    await import("./infra/dev-tabs.ts");
    if ($dev) return { api: api.url, health: $interpolate`${api.url}/health`, dashboard: dashboardUrl };
    const { edgeUrl } = await import("./infra/edge.ts");
    return {
      api: edgeUrl,
      console: $interpolate`${edgeUrl}/console/`,
      health: $interpolate`${edgeUrl}/health`,
      // The API without the edge: for looking at what the edge changes.
      origin: api.url,
      dashboard: dashboardUrl,
    };
  },
});
