"""All gates in order, as [verify] configures them, and the external judge."""
