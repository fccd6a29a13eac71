// Rendered on the server for every request.
import { Comparison } from "../../comparison";
import { read } from "../../data";

export const dynamic = "force-dynamic";

export default async function Page({ params }) {
  const { slug } = await params;
  return <Comparison data={await read(slug)} />;
}
