import "./site.css";

export const metadata = { title: "Seatrial, by Next.js" };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
