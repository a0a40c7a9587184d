package e2e

import (
	_ "modernc.org/sqlite" // the driver of the catalog, to look into it beside the programs
)
