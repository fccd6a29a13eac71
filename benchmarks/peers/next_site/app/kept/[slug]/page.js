// Rendered once and kept, looked at again after a second (incremental static regeneration).
import { Comparison } from "../../comparison";
import { read } from "../../data";

export const revalidate = 1;
export const dynamicParams = true;

export async function generateStaticParams() {
  return [];
}

export default async function Page({ params }) {
  const { slug } = await params;
  return <Comparison data={await read(slug)} />;
}
