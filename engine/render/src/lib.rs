//! HTML to PDF in a supervised Chromium.
