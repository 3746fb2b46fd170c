/** The menus for quality and captions; each is visible only where there is a choice. */

import "media-chrome/dist/menu/media-captions-menu-button.js";
import "media-chrome/dist/menu/media-captions-menu.js";
import "media-chrome/dist/menu/media-chrome-menu-item.js";
import "media-chrome/dist/menu/media-rendition-menu-button.js";
import "media-chrome/dist/menu/media-rendition-menu.js";
