"use strict";
// A page that never changes: its times are written once, in the viewer's zone.
times.write(true);
