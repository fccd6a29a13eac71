"""The `documents` workload: receipts, invoices, tables and charts to be read. The drawing is in the modules beside."""
