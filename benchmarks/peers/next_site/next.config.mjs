// As `create-next-app` leaves it; compression is on by default.
export default { eslint: { ignoreDuringBuilds: true }, outputFileTracingRoot: import.meta.dirname };
